#include "library/arguments.h"

#include <algorithm>
#include <complex>

namespace nxv::library {

std::string describe(const NodeRef& tensor) {
  return std::string(name(tensor->dtype)) + to_string(tensor->shape);
}

void Arguments::fail(const std::string& what, Status status) const {
  throw Error(status, std::string(operation_) + ": " + what);
}

void Arguments::require_rank(size_t rank) const {
  if (tensors_[0]->shape.size() < rank) {
    fail("needs at least " + std::to_string(rank) + " axes, got " + describe(tensors_[0]),
         Status::size_mismatch);
  }
}

const Option* Arguments::find(std::string_view name) const {
  const auto found = std::find_if(options_.begin(), options_.end(),
                                  [&](const Option& o) { return o.name == name; });
  return found == options_.end() ? nullptr : &*found;
}

const Option& Arguments::get(std::string_view name) const {
  const Option* option = find(name);
  if (option == nullptr) fail("needs the option '" + std::string(name) + "'");
  return *option;
}

const std::vector<int64_t>& Arguments::integers(std::string_view name) const {
  return get(name).integers;
}

std::vector<int64_t> Arguments::optional_integers(std::string_view name) const {
  return has(name) ? integers(name) : std::vector<int64_t>();
}

int64_t Arguments::integer(std::string_view name) const {
  const Option& option = get(name);
  if (option.integers.size() != 1) fail("option '" + option.name + "' takes one integer");
  return option.integers[0];
}

int64_t Arguments::integer(std::string_view name, int64_t otherwise) const {
  return has(name) ? integer(name) : otherwise;
}

std::vector<int64_t> Arguments::for_each_axis(std::string_view name, int64_t otherwise) const {
  const size_t rank = tensors_[0]->shape.size();
  if (!has(name)) return std::vector<int64_t>(rank, otherwise);
  const std::vector<int64_t>& list = integers(name);
  if (list.size() != rank) {
    fail("option '" + std::string(name) + "' has " + std::to_string(list.size()) +
         " entries for the axes of " + describe(tensors_[0]));
  }
  return list;
}

bool Arguments::flag(std::string_view name, bool otherwise) const {
  return integer(name, otherwise ? 1 : 0) != 0;
}

double Arguments::real(std::string_view name, double otherwise) const {
  const Option* option = find(name);
  if (option == nullptr) return otherwise;
  if (option->reals.size() == 1) return option->reals[0];
  return static_cast<double>(integer(name));
}

Scalar Arguments::number(std::string_view name, DType type) const {
  const Option& option = get(name);
  if (option.integers.size() == 1 && option.reals.empty()) {
    return make_scalar(type, option.integers[0]);
  }
  const std::vector<double>& parts = option.reals;
  if (parts.empty() || parts.size() > 2 || !option.integers.empty()) {
    fail("option '" + option.name + "' takes a number, or the two parts of a complex one");
  }
  if (!is_complex(type)) {
    if (parts.size() == 2) {
      fail("a complex number is no element of " + std::string(nxv::name(type)));
    }
    return make_scalar(type, parts[0]);
  }
  return make_scalar(type, std::complex<double>(parts[0], parts.size() == 2 ? parts[1] : 0.0));
}

DType Arguments::type(std::string_view name) const {
  const int64_t index = integer(name);
  if (index < 0 || index >= kDTypeCount) {
    fail("option '" + std::string(name) + "' is no type: " + std::to_string(index));
  }
  return static_cast<DType>(index);
}

DType Arguments::type(std::string_view name, DType otherwise) const {
  return has(name) ? type(name) : otherwise;
}

Precision Arguments::precision() const {
  const int64_t index = integer("precision", 0);
  if (index < 0 || index >= kPrecisionCount) {
    fail("option 'precision' is 0 (accurate) or 1 (fast), not " + std::to_string(index));
  }
  return static_cast<Precision>(index);
}

int64_t Arguments::axis(std::string_view name) const {
  const int64_t given = integer(name);
  const auto rank = static_cast<int64_t>(tensors_[0]->shape.size());
  const int64_t axis = given < 0 ? given + rank : given;
  if (axis < 0 || axis >= rank) {
    fail("axis " + std::to_string(given) + " is out of range for " + describe(tensors_[0]));
  }
  return axis;
}

int64_t Arguments::axis(std::string_view name, int64_t otherwise) const {
  return has(name) ? axis(name) : otherwise;
}

Axes Arguments::axes(std::string_view name, const NodeRef& of) const {
  Axes result;
  const auto rank = static_cast<int64_t>(of->shape.size());
  for (const int64_t given : integers(name)) {
    const int64_t axis = given < 0 ? given + rank : given;
    if (axis < 0 || axis >= rank) {
      fail("axis " + std::to_string(given) + " is out of range for " + describe(of));
    }
    if (std::find(result.begin(), result.end(), axis) != result.end()) {
      fail("axis " + std::to_string(given) + " is given twice");
    }
    result.push_back(axis);
  }
  return result;
}

}  // namespace nxv::library
