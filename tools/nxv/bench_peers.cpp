#include "bench_peers.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/markup.h"

namespace nxv::tools {
namespace {

using Key = std::pair<std::string, std::string>;  // name, size

[[noreturn]] void refuse(const std::string& what) {
  throw Error(Status::invalid_argument,
              "not what bench/peers or `nxv bench --json` prints: " + what);
}

// Cells of a table, the first row being its head; numbers are set to the right.
std::string set_out(const std::vector<std::vector<std::string>>& cells, TableStyle style) {
  std::vector<size_t> widths(cells.front().size());
  for (const auto& row : cells) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  const bool markdown = style == TableStyle::markdown;
  std::string text;
  for (const auto& row : cells) {
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string gap(widths[i] - row[i].size(), ' ');
      text += markdown ? "| " : i == 0 ? "" : "  ";
      text += i < 2 ? row[i] + gap : gap + row[i];
      if (markdown) text += ' ';
    }
    text += markdown ? "|\n" : "\n";
    if (markdown && &row == &cells.front()) {
      for (size_t i = 0; i < row.size(); ++i) text += i < 2 ? "| --- " : "| ---: ";
      text += "|\n";
    }
  }
  return text;
}

std::string number(double v, int digits) { return v > 0 ? decimal(v, digits) : ""; }

}  // namespace

double PeerTable::Row::best() const {
  double least = 0;
  for (double t : peers) {
    if (t > 0 && (least == 0 || t < least)) least = t;
  }
  return least;
}

double PeerTable::Row::ratio() const {
  const double least = best();
  return least > 0 ? microseconds / least : 0;
}

PeerTable beside_peers(const nlohmann::json& ours, const std::vector<std::string>& lines) {
  PeerTable table;
  std::map<Key, std::map<std::string, double>> times;
  try {
    for (const std::string& text : lines) {
      std::istringstream in(text);
      for (std::string line; std::getline(in, line);) {
        if (line.empty()) continue;
        const nlohmann::json j = nlohmann::json::parse(line);
        const auto peer = j.at("peer").get<std::string>();
        if (std::find(table.peers.begin(), table.peers.end(), peer) == table.peers.end()) {
          table.peers.push_back(peer);
        }
        if (!j.contains("microseconds")) continue;
        const Key key = {j.at("name").get<std::string>(), j.at("size").get<std::string>()};
        const auto microseconds = j.at("microseconds").get<double>();
        if (!(microseconds > 0) || !std::isfinite(microseconds)) refuse("a time of 0");
        if (!times[key].emplace(peer, microseconds).second) {
          refuse(peer + " has two times of " + key.first + ' ' + key.second);
        }
      }
    }
    table.device =
        ours.at("device").get<std::string>() + ", " + ours.at("driver").get<std::string>();
    for (const nlohmann::json& r : ours.at("results")) {
      PeerTable::Row row{r.at("name").get<std::string>(),
                         r.at("size").get<std::string>(),
                         r.at("microseconds").get<double>(),
                         r.value("share_of_copy", 0.0),
                         {}};
      if (!r.at("ok").get<bool>() || !(row.microseconds > 0)) {
        table.failed.push_back(row.name + ' ' + row.size);
        continue;
      }
      const auto found = times.find({row.name, row.size});
      for (const std::string& peer : table.peers) {
        const bool has = found != times.end() && found->second.contains(peer);
        row.peers.push_back(has ? found->second.at(peer) : 0);
      }
      table.rows.push_back(std::move(row));
    }
  } catch (const nlohmann::json::exception& e) {
    refuse(e.what());
  }
  return table;
}

std::string to_text(const PeerTable& table, TableStyle style) {
  std::vector<std::vector<std::string>> cells = {{"work", "size", "us", "of copy"}};
  for (const std::string& peer : table.peers) cells.front().push_back(peer);
  cells.front().emplace_back("ratio");
  for (const PeerTable::Row& r : table.rows) {
    cells.push_back({r.name, r.size, number(r.microseconds, 1), number(r.share_of_copy, 2)});
    for (double t : r.peers) cells.back().push_back(number(t, 1));
    cells.back().push_back(number(r.ratio(), 2));
  }
  std::string text = table.device + "\n\n" + set_out(cells, style);
  for (const std::string& label : table.failed) text += "\nfailed: " + label + '\n';
  return text;
}

std::string to_svg(const PeerTable& table) {
  // Of a ratio of 1/16 on the left to 16 on the right; pixels.
  constexpr double kOctaves = 4, kHalf = 240, kLabel = 300, kLine = 16, kHead = 48, kTail = 56;
  std::vector<const PeerTable::Row*> rows;
  for (const PeerTable::Row& r : table.rows) {
    if (r.ratio() > 0) rows.push_back(&r);
  }
  const double height = kHead + kLine * static_cast<double>(rows.size()) + 8;
  const double width = kLabel + 2 * kHalf + kTail, middle = kLabel + kHalf;
  const auto text = [](double x, double y, const char* anchor, const std::string& content) {
    return "<text x=\"" + decimal(x, 1) + "\" y=\"" + decimal(y, 1) + "\" text-anchor=\"" + anchor +
           "\">" + xml_text(content) + "</text>\n";
  };
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + decimal(width, 0) +
                    "\" height=\"" + decimal(height, 0) +
                    "\" font-family=\"sans-serif\" font-size=\"11\">\n"
                    "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n" +
                    text(8, 16, "start", table.device + ": time, as a multiple of the best peer's");
  for (int octave = -static_cast<int>(kOctaves); octave <= static_cast<int>(kOctaves); ++octave) {
    const double x = middle + kHalf * octave / kOctaves;
    svg += "<line x1=\"" + decimal(x, 1) + "\" x2=\"" + decimal(x, 1) + "\" y1=\"" +
           decimal(kHead - 8, 0) + "\" y2=\"" + decimal(height, 0) + "\" stroke=\"" +
           (octave == 0 ? "black" : "#dddddd") + "\"/>\n" +
           text(x, kHead - 12, "middle",
                octave < 0 ? "1/" + std::to_string(1 << -octave) : std::to_string(1 << octave));
  }
  double y = kHead;
  for (const PeerTable::Row* r : rows) {
    const double reach = std::clamp(std::log2(r->ratio()) / kOctaves, -1.0, 1.0) * kHalf;
    svg += text(kLabel - 8, y + 11, "end", r->name + ' ' + r->size);
    svg += "<rect x=\"" + decimal(middle + std::min(reach, 0.0), 1) + "\" y=\"" +
           decimal(y + 2, 1) + "\" width=\"" + decimal(std::fabs(reach), 1) + "\" height=\"" +
           decimal(kLine - 4, 1) + "\" fill=\"" + (reach > 0 ? "#c65b4c" : "#4c8c5b") + "\"/>\n";
    svg += text(middle + kHalf + 8, y + 11, "start", decimal(r->ratio(), 2));
    y += kLine;
  }
  return svg + "</svg>\n";
}

}  // namespace nxv::tools
