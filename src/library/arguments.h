// What a caller hands to an operation of the library: tensors, and options by name.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/node.h"

namespace nxv::library {

// Integers (lengths, axes, flags as 0 or 1, types as their index) or reals.
struct Option {
  std::string name;
  std::vector<int64_t> integers;
  std::vector<double> reals;
};

// Every accessor throws Error(invalid_argument) naming the operation and the option that is
// missing, of the wrong length or out of range.
class Arguments {
 public:
  Arguments(std::string_view operation, std::shared_ptr<Graveyard> owner,
            std::span<const NodeRef> tensors, std::span<const Option> options)
      : operation_(operation), owner_(std::move(owner)), tensors_(tensors), options_(options) {}

  std::string_view operation() const { return operation_; }
  std::span<const NodeRef> tensors() const { return tensors_; }
  const NodeRef& tensor(size_t i) const { return tensors_[i]; }
  const std::shared_ptr<Graveyard>& owner() const { return owner_; }
  std::span<const Option> options() const { return options_; }

  bool has(std::string_view name) const { return find(name) != nullptr; }
  int64_t integer(std::string_view name) const;
  int64_t integer(std::string_view name, int64_t otherwise) const;
  const std::vector<int64_t>& integers(std::string_view name) const;
  // None when the option is absent.
  std::vector<int64_t> optional_integers(std::string_view name) const;
  // `otherwise` repeated for each axis of the first tensor.
  std::vector<int64_t> for_each_axis(std::string_view name, int64_t otherwise) const;
  bool flag(std::string_view name, bool otherwise = false) const;
  double real(std::string_view name, double otherwise) const;
  Scalar number(std::string_view name, DType type) const;
  DType type(std::string_view name) const;
  DType type(std::string_view name, DType otherwise) const;
  Precision precision() const;  // the option of that name; accurate where it is absent
  // An axis of the first tensor; negative ones count from the end. Non-negative in the result.
  int64_t axis(std::string_view name) const;
  int64_t axis(std::string_view name, int64_t otherwise) const;
  // Axes of `of` in the order given, without duplicates.
  Axes axes(std::string_view name, const NodeRef& of) const;

  [[noreturn]] void fail(const std::string& what, Status status = Status::invalid_argument) const;
  // fail() unless the first tensor has at least `rank` axes.
  void require_rank(size_t rank) const;

 private:
  const Option* find(std::string_view name) const;
  const Option& get(std::string_view name) const;

  std::string_view operation_;
  std::shared_ptr<Graveyard> owner_;
  std::span<const NodeRef> tensors_;
  std::span<const Option> options_;
};

// "f32[2, 3]"
std::string describe(const NodeRef& tensor);

}  // namespace nxv::library
