// What `nxv bench --json` measured beside other libraries' times of the same work, as bench/peers
// prints them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace nxv::tools {

struct PeerTable {
  struct Row {
    std::string name, size;
    double microseconds = 0;
    double share_of_copy = 0;   // 0: none
    std::vector<double> peers;  // microseconds of each; 0: none

    double best() const;   // of the peers; 0: none
    double ratio() const;  // to the best of the peers; 0: none
  };
  std::string device;               // with its driver
  std::vector<std::string> peers;   // in the order in which they were named first
  std::vector<Row> rows;            // as ours are
  std::vector<std::string> failed;  // "name size" of ours that are wrong or failed
};

// `lines`: the text of each peer's output, a line of JSON a case; what failed there has no time.
// Throws Error(invalid_argument) for what neither prints.
PeerTable beside_peers(const nlohmann::json& ours, const std::vector<std::string>& lines);

enum class TableStyle { text, markdown };
std::string to_text(const PeerTable& table, TableStyle style);
// A picture: a bar for each row that a peer has, as long as the logarithm of the ratio.
std::string to_svg(const PeerTable& table);

}  // namespace nxv::tools
