#include "runtime/layered_graph.h"

#include <algorithm>
#include <numeric>

namespace nxv::runtime {
namespace {

constexpr double kBeside = 28, kBelow = 44;  // between boxes
constexpr double kLineWidth = 6;             // that a line takes in a layer
constexpr int kOrderings = 6, kRelaxations = 8;

// A box, or a piece of a line in a layer that it passes.
struct Item {
  double width = 0, centre = 0;
  std::vector<size_t> above, below;  // items of the neighbouring layers
};

class Placement {
 public:
  explicit Placement(std::vector<Placed>& boxes) : boxes_(boxes) {}

  LayeredGraph run() {
    add_items();
    order();
    relax();
    return write_down();
  }

 private:
  // Items of boxes have their indices, those of lines follow.
  void add_items() {
    std::vector<size_t> layer(boxes_.size());
    for (size_t i = 0; i < boxes_.size(); ++i) {
      for (size_t d : boxes_[i].depends_on) layer[i] = std::max(layer[i], layer[d] + 1);
      if (layer[i] >= layers_.size()) layers_.resize(layer[i] + 1);
      layers_[layer[i]].push_back(i);
      items_.push_back({boxes_[i].width, 0, {}, {}});
    }
    for (size_t i = 0; i < boxes_.size(); ++i) {
      for (size_t d : boxes_[i].depends_on) {
        std::vector<size_t>& way = ways_.emplace_back();
        way.push_back(d);
        for (size_t l = layer[d] + 1; l < layer[i]; ++l) {
          layers_[l].push_back(items_.size());
          way.push_back(items_.size());
          items_.push_back({kLineWidth, 0, {}, {}});
        }
        way.push_back(i);
        for (size_t k = 1; k < way.size(); ++k) {
          items_[way[k - 1]].below.push_back(way[k]);
          items_[way[k]].above.push_back(way[k - 1]);
        }
      }
    }
  }

  // Sorts each layer by the mean place of the neighbours in the one before, down and up again.
  void order() {
    std::vector<double> place(items_.size());
    const auto number = [&](const std::vector<size_t>& layer) {
      for (size_t k = 0; k < layer.size(); ++k) {
        place[layer[k]] = (static_cast<double>(k) + 0.5) / static_cast<double>(layer.size());
      }
    };
    for (const auto& layer : layers_) number(layer);
    const auto sort = [&](std::vector<size_t>& layer, bool by_above) {
      std::vector<double> wanted = place;
      for (size_t i : layer) {
        const auto& neighbours = by_above ? items_[i].above : items_[i].below;
        if (neighbours.empty()) continue;
        double sum = 0;
        for (size_t n : neighbours) sum += place[n];
        wanted[i] = sum / static_cast<double>(neighbours.size());
      }
      std::stable_sort(layer.begin(), layer.end(),
                       [&](size_t a, size_t b) { return wanted[a] < wanted[b]; });
      number(layer);
    };
    for (int i = 0; i < kOrderings; ++i) {
      for (auto& layer : layers_) sort(layer, true);
      for (size_t l = layers_.size(); l-- > 0;) sort(layers_[l], false);
    }
    for (auto& layer : layers_) sort(layer, true);
  }

  double apart(size_t left, size_t right) const {
    return (items_[left].width + items_[right].width) / 2 + kBeside;
  }

  // Moves items towards the mean of their neighbours, as far as there is room: upwards, then down.
  void relax() {
    for (const auto& layer : layers_) {
      for (size_t k = 1; k < layer.size(); ++k) {
        items_[layer[k]].centre = items_[layer[k - 1]].centre + apart(layer[k - 1], layer[k]);
      }
      const double middle = layer.empty() ? 0 : items_[layer.back()].centre / 2;
      for (size_t i : layer) items_[i].centre -= middle;
    }
    for (int round = 0; round < kRelaxations; ++round) {
      for (size_t l = layers_.size(); l-- > 0;) settle(layers_[l], &Item::below);
      for (const auto& layer : layers_) settle(layer, &Item::above);
    }
  }

  void settle(const std::vector<size_t>& layer, std::vector<size_t> Item::*neighbours) {
    std::vector<double> low, high;
    for (size_t i : layer) {
      const std::vector<size_t>& list = items_[i].*neighbours;
      double sum = 0;
      for (size_t n : list) sum += items_[n].centre;
      low.push_back(list.empty() ? items_[i].centre : sum / static_cast<double>(list.size()));
    }
    high = low;
    for (size_t k = 1; k < layer.size(); ++k) {
      high[k] = std::max(high[k], high[k - 1] + apart(layer[k - 1], layer[k]));
    }
    for (size_t k = layer.size(); k-- > 1;) {
      low[k - 1] = std::min(low[k - 1], low[k] - apart(layer[k - 1], layer[k]));
    }
    // Both keep neighbours apart, and so does their mean.
    for (size_t k = 0; k < layer.size(); ++k) items_[layer[k]].centre = (low[k] + high[k]) / 2;
  }

  LayeredGraph write_down() {
    LayeredGraph graph;
    double left = 0;
    if (!items_.empty()) left = items_[0].centre - items_[0].width / 2;
    for (const Item& item : items_) left = std::min(left, item.centre - item.width / 2);
    std::vector<double> top(items_.size()), bottom(items_.size());
    double y = 0;
    for (const auto& layer : layers_) {
      double height = 0;
      for (size_t i : layer) {
        if (i < boxes_.size()) height = std::max(height, boxes_[i].height);
      }
      for (size_t i : layer) {
        Item& item = items_[i];
        item.centre -= left;
        top[i] = y;
        bottom[i] = y + (i < boxes_.size() ? boxes_[i].height : height);
        graph.width = std::max(graph.width, item.centre + item.width / 2);
        if (i < boxes_.size()) {
          boxes_[i].x = item.centre - item.width / 2;
          boxes_[i].y = y;
        }
      }
      graph.height = y + height;
      y += height + kBelow;
    }
    for (const auto& way : ways_) {
      auto& line = graph.lines.emplace_back();
      line.push_back({items_[way.front()].centre, bottom[way.front()]});
      for (size_t k = 1; k + 1 < way.size(); ++k) {
        line.push_back({items_[way[k]].centre, top[way[k]]});
        line.push_back({items_[way[k]].centre, bottom[way[k]]});
      }
      line.push_back({items_[way.back()].centre, top[way.back()]});
    }
    return graph;
  }

  std::vector<Placed>& boxes_;
  std::vector<Item> items_;
  std::vector<std::vector<size_t>> layers_, ways_;  // of items
};

}  // namespace

LayeredGraph place(std::vector<Placed>& boxes) { return Placement(boxes).run(); }

}  // namespace nxv::runtime
