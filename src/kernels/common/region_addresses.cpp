#include "kernels/common/region_addresses.h"

#include "graph/region_words.h"

namespace nxv::kernels {

using ir::Value;

Value RegionAddresses::index(const RegionAddress& address, const Points& points, int lane) {
  switch (address.addressing) {
    case Addressing::uniform:
      return arguments_.region_words_as<OffsetWords>(address.words)[&OffsetWords::offset];
    case Addressing::linear:
      return address.level == Level::row ? points.rows[lane]
                                         : points.element_base + points.cols[lane];
    case Addressing::mapped: {
      const PathPoint& point = coordinates(address.path, address.level, points, lane);
      const std::span<const Value> strides = arguments_.region_words().subspan(address.words);
      Value index = b_.u32(0);
      for (size_t d = 0; d < address.node.shape.size(); ++d) {
        index = index + point.at[d] * strides[d];
      }
      return index;
    }
    case Addressing::strided:
    case Addressing::gathered:  // of products alone
      break;
  }
  return strided(address, points, lane);
}

Value RegionAddresses::strided(const RegionAddress& address, const Points& points, int lane) {
  const Value offset = arguments_.region_words_as<OffsetWords>(address.words)[&OffsetWords::offset];
  const WordIndex strides = address.words + kWordsOf<OffsetWords>;
  if (address.level == Level::row) {
    const size_t dims = region_.rows.dims.size();
    return add_up(offset, unravel(points.rows[lane], region_.rows, 0, dims), strides);
  }
  const size_t row_dims = region_.element_rows.dims.size();
  const Value base =
      add_up(offset, unravel(points.rows[0], region_.element_rows, 0, row_dims), strides);
  return add_up(base, unravel_column(region_.element_cols, 0, points, lane),
                strides + static_cast<WordIndex>(row_dims));
}

Value RegionAddresses::add_up(Value index, const std::vector<Value>& at, WordIndex strides) const {
  for (size_t d = 0; d < at.size(); ++d) {
    index = index + at[d] * arguments_.region_words()[strides + d];
  }
  return index;
}

std::vector<Value> RegionAddresses::unravel(Value index, const Space& space, size_t first,
                                            size_t last) {
  std::vector<Value> at(last - first);
  size_t outermost = first;  // of the axes that have more than one coordinate
  while (outermost + 1 < last && space.is_unit(outermost)) ++outermost;
  for (size_t d = last; d-- > first;) {
    if (d == outermost) {
      at[d - first] = index;
    } else if (space.is_unit(d)) {
      at[d - first] = b_.u32(0);
    } else {
      const auto divisor = divisor_at(arguments_.region_words(), space.words, d - 1);
      const Value quotient = divide(index, divisor);
      at[d - first] = index - quotient * divisor[0];
      index = quotient;
    }
  }
  return at;
}

std::vector<Value> RegionAddresses::unravel_column(const Space& space, size_t first,
                                                   const Points& points, int lane) {
  if (points.fixed_cols.empty()) {
    return unravel(points.cols[lane], space, first, space.dims.size());
  }
  std::vector<Value> at(space.dims.size() - first);
  int64_t index = points.fixed_cols[lane];
  for (size_t d = space.dims.size(); d-- > first;) {
    auto coordinate = static_cast<uint32_t>(index % space.dims[d]);
    if (d + 1 == space.dims.size() && !points.beyond.empty()) coordinate += points.beyond[lane];
    at[d - first] = b_.u32(coordinate);
    index /= space.dims[d];
  }
  return at;
}

PathPoint RegionAddresses::base(Level level, const Points& points, int lane) {
  if (level == Level::row) {
    const Space& base = region_.row_base;
    return {unravel(points.rows[lane], base, 0, base.dims.size()), {}};
  }
  const Space& base = region_.element_base;
  const size_t row_dims = region_.element_row_rank;
  std::vector<Value> at = unravel(points.rows[0], base, 0, row_dims);
  const std::vector<Value> cols = unravel_column(base, row_dims, points, lane);
  at.insert(at.end(), cols.begin(), cols.end());
  PathPoint point;
  for (int64_t from : region_.element_axes) point.at.push_back(at[from]);
  return point;
}

const PathPoint& RegionAddresses::coordinates(int path, Level level, const Points& points,
                                              int lane) {
  for (const Coordinates& c : known_) {
    if (c.path == path && c.lane == lane && c.level == level) return c.point;
  }
  Coordinates c{path, lane, level, {}};
  if (path < 0) {
    c.point = base(level, points, lane);
  } else {
    const PathStep& step = region_.paths[path];
    const std::vector<Value> from = coordinates(step.parent, level, points, lane).at;
    c.point = follow(step, from, b_, arguments_);
  }
  known_.push_back(std::move(c));
  return known_.back().point;
}

Value RegionAddresses::inside_step(int path, Level level, const Points& points, int lane) {
  return coordinates(path, level, points, lane).inside;
}

Value RegionAddresses::inside_path(int path, Level level, const Points& points, int lane) {
  Value inside = inside_step(path, level, points, lane);
  for (path = region_.paths[path].parent; path >= 0; path = region_.paths[path].parent) {
    inside = inside & inside_step(path, level, points, lane);
  }
  return inside;
}

void RegionAddresses::forget(Level level) {
  std::erase_if(known_, [&](const Coordinates& c) { return c.level == level; });
}

}  // namespace nxv::kernels
