#include "runtime/picture.h"

#include <algorithm>
#include <set>

#include "base/markup.h"
#include "runtime/layered_graph.h"

namespace nxv::runtime {
namespace {

using Kind = StepDescription::Kind;
using Source = ValueDescription::Source;

constexpr double kCard = 346, kPadding = 14, kLine = 17, kMargin = 28;
constexpr double kCharacter = 7.3;  // advance of the font at 12 px, rounded up
constexpr size_t kColumns = static_cast<size_t>((kCard - 2 * kPadding) / kCharacter);
constexpr size_t kMostLines = 3;  // of a list
constexpr size_t kMostPills = 48;

constexpr const char* kStyle =
    "text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#1f2937}"
    ".name{font-weight:600}.head{font-size:18px;font-weight:600}.quiet{fill:#6b7280}"
    ".card{fill:#fff;stroke:#d4d9e1}.frame{fill:#f3f5f8;stroke:#c3cad5}"
    ".inner{fill:#fff;stroke:#e3e7ed}.pill{fill:#eef2f7;stroke:#d4d9e1}"
    ".donated{fill:#fdf3e3;stroke:#e0a84a}.line{fill:none;stroke:#8b97a8;stroke-width:1.4}";

// Drawn at the origin, into a document.
struct Picture {
  double width = 0, height = 0;
  std::string svg;
};

std::string number(double v) { return decimal(v, 1); }

void rectangle(Picture& p, const char* style, double x, double y, double width, double height,
               double radius) {
  p.svg += "<rect class=\"" + std::string(style) + "\" x=\"" + number(x) + "\" y=\"" + number(y) +
           "\" width=\"" + number(width) + "\" height=\"" + number(height) + "\" rx=\"" +
           number(radius) + "\"/>\n";
}

void text(Picture& p, const char* style, double x, double y, std::string_view words,
          bool ends_there = false) {
  p.svg += "<text class=\"" + std::string(style) + "\" x=\"" + number(x) + "\" y=\"" + number(y) +
           (ends_there ? "\" text-anchor=\"end\">" : "\">") + xml_text(words) + "</text>\n";
}

void insert(Picture& into, const Picture& part, double x, double y) {
  into.svg +=
      "<g transform=\"translate(" + number(x) + ' ' + number(y) + ")\">\n" + part.svg + "</g>\n";
}

const char* colour(const StepDescription& s) {
  if (s.kind == Kind::alias) return "#9ca3af";
  if (s.kind != Kind::region) return "#475569";
  switch (s.summary.kind) {
    case RegionKind::pointwise:
      return "#0d9488";
    case RegionKind::reduction:
      return "#d97706";
    case RegionKind::row_program:
      return "#7c3aed";
    case RegionKind::matmul:
      return "#2563eb";
    case RegionKind::overwrite:
    case RegionKind::library:
      break;
  }
  return "#be185d";
}

std::string title(const StepDescription& s) {
  switch (s.kind) {
    case Kind::alias:
      return "alias";
    case Kind::loop:
      return "loop";
    case Kind::branch:
      return "branch";
    case Kind::region:
      break;
  }
  return std::string(name(s.summary.kind));
}

// Words of a list in lines of kColumns, the first behind `label`; what is too much is counted.
std::vector<std::string> list_lines(const std::string& label,
                                    const std::vector<std::string>& words) {
  std::vector<std::string> lines{label};
  bool is_first = true;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string word = (is_first ? "" : ", ") + words[i];
    const bool is_last_line = lines.size() == kMostLines;
    const size_t room = kColumns - (is_last_line && i + 1 < words.size() ? 10 : 0);
    if (lines.back().size() + word.size() <= room) {
      lines.back() += word;
    } else if (is_last_line) {
      lines.back() += ", +" + std::to_string(words.size() - i);
      break;
    } else {
      if (!is_first) lines.back() += ',';
      lines.push_back(std::string(label.size(), ' ') + words[i]);
    }
    is_first = false;
  }
  for (std::string& line : lines) line = shortened(line, kColumns);
  return lines;
}

// With the source of each once: a value may be read in several ways.
std::vector<std::string> names(const std::vector<ValueDescription>& values) {
  std::vector<std::string> all;
  for (const ValueDescription& v : values) {
    const std::string name = name_of(v);
    if (std::find(all.begin(), all.end(), name) == all.end()) all.push_back(name);
  }
  return all;
}

std::vector<std::string> types(const std::vector<ValueDescription>& values) {
  std::vector<std::string> all;
  for (const ValueDescription& v : values) all.push_back(type_of(v));
  return all;
}

std::string kernel_line(const KernelDescription& k) {
  std::string line = k.name + ' ';
  if (k.times > 1) line += std::to_string(k.times) + " times ";
  for (size_t i = 0; i < 3; ++i) line += (i == 0 ? "" : "x") + std::to_string(k.groups[i]);
  return line + " of " + std::to_string(k.local_size);
}

// Which results of the program a step answers.
std::string answers(const ProgramDescription& program, const StepDescription& s) {
  std::string all;
  for (size_t i = 0; i < program.results.size(); ++i) {
    const ValueDescription& r = program.results[i];
    if (r.source != Source::step || r.index != s.number) continue;
    all += (all.empty() ? "result " : ", ") + std::to_string(i);
  }
  return shortened(all, kColumns / 2);
}

struct Line {
  const char* style;
  std::string words;
};

std::vector<Line> lines_of(const StepDescription& s) {
  std::vector<Line> lines;
  const auto add = [&](const char* style, const std::string& label,
                       const std::vector<std::string>& words) {
    for (std::string& line : list_lines(label, words)) lines.push_back({style, std::move(line)});
  };
  if (s.kind == Kind::region) add("name", "", words_of(s.summary));
  if (!s.operands.empty()) add("quiet", "in  ", names(s.operands));
  add("quiet", "out ", types(s.results));
  if (s.kind == Kind::loop) lines.push_back({"quiet", s.rounds});
  std::vector<std::string> kernels;
  for (const KernelDescription& k : s.kernels) kernels.push_back(kernel_line(k));
  for (size_t i = 0; i < std::min(kernels.size(), kMostLines); ++i) {
    lines.push_back({"plain", shortened(kernels[i], kColumns)});
  }
  if (kernels.size() > kMostLines) {
    lines.push_back({"quiet", "+" + std::to_string(kernels.size() - kMostLines) + " kernels"});
  }
  if (s.kind == Kind::region) {
    std::string sums =
        "reads " + bytes_text(s.bytes_read) + "  writes " + bytes_text(s.bytes_written);
    if (s.summary.is_flops_known) sums += "  " + flops_text(s.summary.flops, true);
    lines.push_back({"quiet", shortened(sums, kColumns)});
  }
  return lines;
}

Picture steps_of(const ProgramDescription& program);

// The programs that a loop or a branch calls, side by side.
Picture parts_of(const StepDescription& s) {
  Picture all;
  for (const auto& [name, part] : s.parts) {
    const Picture steps = steps_of(part);
    const std::string traffic = part.dispatches > 0 ? traffic_text(part) : std::string();
    const size_t columns = std::max(name.size(), traffic.size());
    const double width = std::max(steps.width, kCharacter * static_cast<double>(columns));
    const double steps_at = kPadding + 2 * kLine;
    Picture panel{width + 2 * kPadding, steps_at + steps.height + kPadding, ""};
    rectangle(panel, "inner", 0, 0, panel.width, panel.height, 6);
    text(panel, "plain", kPadding, kPadding + 8, name);
    text(panel, "quiet", kPadding, kPadding + 8 + kLine, traffic);
    insert(panel, steps, (panel.width - steps.width) / 2, steps_at);
    insert(all, panel, all.width, 0);
    all.width += panel.width + kPadding;
    all.height = std::max(all.height, panel.height);
  }
  all.width = std::max(0.0, all.width - kPadding);
  return all;
}

// For people who point at it: all of what the card shortens.
std::string tooltip(const StepDescription& s) {
  ProgramDescription alone;
  alone.steps.push_back(s);
  alone.steps[0].parts.clear();
  return "<title>" + xml_text(to_text(alone)) + "</title>\n";
}

Picture card_of(const ProgramDescription& program, const StepDescription& s) {
  const std::vector<Line> lines = lines_of(s);
  const Picture parts = parts_of(s);
  Picture card;
  card.width = std::max(kCard, parts.width + 2 * kPadding);
  card.height = kPadding + kLine * static_cast<double>(lines.size() + 1) + kPadding / 2;
  const double parts_at = card.height;
  if (!s.parts.empty()) card.height += parts.height + kPadding;
  card.svg += "<g>" + tooltip(s);
  rectangle(card, s.parts.empty() ? "card" : "frame", 0, 0, card.width, card.height, 8);
  card.svg += "<rect x=\"0\" y=\"8\" width=\"4\" height=\"" + number(card.height - 16) +
              "\" fill=\"" + colour(s) + "\"/>\n";
  double y = kPadding + 10;
  text(card, "name", kPadding, y, std::to_string(s.number) + "  " + title(s));
  std::string mark = answers(program, s);
  if (mark.empty() && s.kind == Kind::region) {
    mark = "cut: " + std::string(name(s.summary.reason));
  }
  text(card, "quiet", card.width - kPadding, y, mark, true);
  for (const Line& line : lines) {
    y += kLine;
    // Spaces line lists up.
    card.svg += "<text xml:space=\"preserve\" class=\"" + std::string(line.style) + "\" x=\"" +
                number(kPadding) + "\" y=\"" + number(y) + "\">" + xml_text(line.words) +
                "</text>\n";
  }
  if (!s.parts.empty()) insert(card, parts, (card.width - parts.width) / 2, parts_at);
  card.svg += "</g>\n";
  return card;
}

void draw(Picture& p, const std::vector<Point>& line) {
  p.svg += "<path class=\"line\" d=\"M" + number(line[0].x) + ' ' + number(line[0].y);
  for (size_t i = 1; i < line.size(); ++i) {
    const Point &a = line[i - 1], &b = line[i];
    const double middle = (a.y + b.y) / 2;
    p.svg += " C" + number(a.x) + ' ' + number(middle) + ' ' + number(b.x) + ' ' + number(middle) +
             ' ' + number(b.x) + ' ' + number(b.y);
  }
  p.svg += "\" marker-end=\"url(#end)\"/>\n";
}

Picture steps_of(const ProgramDescription& program) {
  std::vector<Picture> cards;
  std::vector<Placed> boxes;
  for (const StepDescription& s : program.steps) {
    cards.push_back(card_of(program, s));
    Placed& box = boxes.emplace_back();
    box.width = cards.back().width;
    box.height = cards.back().height;
    std::set<size_t> above;
    for (const ValueDescription& v : s.operands) {
      if (v.source == Source::step) above.insert(static_cast<size_t>(v.index - 1));
    }
    box.depends_on.assign(above.begin(), above.end());
  }
  Picture all;
  if (cards.empty()) {
    all = {kCharacter * 16, 2 * kLine, ""};
    text(all, "quiet", 0, kLine, "nothing to run");
    return all;
  }
  const LayeredGraph graph = place(boxes);
  all.width = graph.width;
  all.height = graph.height;
  for (const auto& line : graph.lines) draw(all, line);
  for (size_t i = 0; i < cards.size(); ++i) insert(all, cards[i], boxes[i].x, boxes[i].y);
  return all;
}

// What goes in and what comes out without a step, in rows.
Picture pills_of(const ProgramDescription& program, double width) {
  struct Pill {
    std::string words;
    bool is_donated = false;
  };
  std::vector<Pill> pills;
  for (const ValueDescription& a : program.arguments) {
    const auto& d = program.donated;
    const bool is_donated = std::find(d.begin(), d.end(), a.index) != d.end();
    const bool is_read = a.source != Source::none;
    pills.push_back({"argument " + std::to_string(a.index) + ' ' + type_of(a) +
                         (is_read ? "" : " not read") + (is_donated ? " written over" : ""),
                     is_donated});
  }
  for (const ValueDescription& c : program.captured) {
    pills.push_back({name_of(c) + ' ' + type_of(c)});
  }
  for (size_t i = 0; i < program.results.size(); ++i) {
    if (program.results[i].source == Source::step) continue;
    pills.push_back({"result " + std::to_string(i) + " is " + name_of(program.results[i])});
  }
  if (pills.size() > kMostPills) {
    const size_t more = pills.size() - kMostPills;
    pills.resize(kMostPills);
    pills.push_back({"and " + std::to_string(more) + " more"});
  }
  Picture all;
  constexpr double kHeight = 24, kGap = 8;
  double x = 0, y = 0;
  for (const Pill& pill : pills) {
    const std::string words = shortened(pill.words, 60);
    const double own = kCharacter * static_cast<double>(words.size()) + 2 * kPadding;
    if (x > 0 && x + own > width) {
      x = 0;
      y += kHeight + kGap;
    }
    rectangle(all, pill.is_donated ? "donated" : "pill", x, y, own, kHeight, kHeight / 2);
    text(all, "plain", x + kPadding, y + 16, words);
    all.width = std::max(all.width, x + own);
    x += own + kGap;
  }
  if (!pills.empty()) all.height = y + kHeight;
  return all;
}

}  // namespace

std::string to_svg(const ProgramDescription& program) {
  const std::string name = program.name.empty() ? "program" : shortened(program.name, 100);
  const std::string sums =
      sums_text(program) + "; temporaries of " + bytes_text(program.temporaries);
  const Picture steps = steps_of(program);
  double width = std::max({steps.width, kCharacter * static_cast<double>(sums.size()),
                           1.5 * kCharacter * static_cast<double>(name.size())});
  const Picture pills = pills_of(program, std::max(width, 2 * kCard));
  width = std::max(width, pills.width);

  Picture all{width + 2 * kMargin, 0, ""};
  double y = kMargin + 14;
  text(all, "head", kMargin, y, name);
  y += 26;
  text(all, "quiet", kMargin, y, sums);
  y += 20;
  insert(all, pills, kMargin, y);
  y += pills.height + 24;
  insert(all, steps, (all.width - steps.width) / 2, y);
  all.height = y + steps.height + kMargin;

  const std::string size = number(all.width) + "\" height=\"" + number(all.height);
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
         "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" +
         size + "\" viewBox=\"0 0 " + number(all.width) + ' ' + number(all.height) +
         "\">\n<title>" + xml_text(name) + "</title>\n<style>" + kStyle +
         "</style>\n<defs><marker id=\"end\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" "
         "markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 z\" "
         "fill=\"#8b97a8\"/></marker></defs>\n<rect width=\"" +
         size + "\" fill=\"#fafbfc\"/>\n" + all.svg + "</svg>\n";
}

}  // namespace nxv::runtime
