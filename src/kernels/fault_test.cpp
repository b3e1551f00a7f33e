// Faults on devices of every profile, in the interpreter: whatever kernel meets one reports it,
// once, with its cause and the first element that it concerns.
#include "graph/fault.h"

#include <gtest/gtest.h>

#include <numeric>

#include "library/registry.h"
#include "testing/corpus/fault_cases.h"
#include "testing/driver/interpreted.h"
#include "testing/driver/plans.h"
#include "testing/numbers/agreement.h"

namespace nxv::kernels {
namespace {

using nxv::testing::InterpretedDevice;

struct Device {
  std::string name;
  std::unique_ptr<InterpretedDevice> kernels;
};

// Of each profile.
std::vector<Device> devices() {
  std::vector<Device> list;
  for (const AbsentDevice& d : absent_devices()) {
    if (d.name == "discrete" || d.name == "small workgroups" || d.name == "bare" ||
        d.name == "cpu") {
      list.push_back({d.name, std::make_unique<InterpretedDevice>(d.plan, d.interpreter)});
    }
  }
  return list;
}

Failure failure(InterpretedDevice& device, const NodeRef& node) {
  try {
    device.evaluate(node);
  } catch (const Error& e) {
    return {e.status(), e.what()};
  }
  return {};
}

std::string element(int64_t i) { return "at element " + std::to_string(i) + " of"; }

// ---- Every operation, every reader ----

struct Matrix {
  int64_t rows = 1, columns = 1;
  bool turned = false;  // rows are adjacent in memory
};

NodeRef matrix(Op op, const Matrix& m, int64_t bad) {
  const auto owner = host_graveyard();
  if (!m.turned) return faulty(owner, op, {m.rows, m.columns}, bad);
  const int64_t at = bad < 0 ? bad : bad % m.columns * m.rows + bad / m.columns;
  return transpose(faulty(owner, op, {m.columns, m.rows}, at), {1, 0});
}

std::string check(const Device& device, Op op, const FaultReader& reader, const Matrix& m,
                  int64_t bad) {
  const Failure found = failure(*device.kernels, reader.build(matrix(op, m, bad)));
  const std::string place = element(reader.is_row ? bad / m.columns : bad);
  const bool is_right = found.status == status_of(info(op).fault) &&
                        found.message.str().find(reason(info(op).fault)) == 0 &&
                        found.message.str().find(place) != std::string::npos;
  if (is_right) return {};
  return device.name + ": " + std::string(name(op)) + " read by " + reader.name + ", " +
         std::to_string(m.rows) + " x " + std::to_string(m.columns) + (m.turned ? " turned" : "") +
         ", element " + std::to_string(bad) + ": \"" + found.message.str() + "\"";
}

std::string check_good(const Device& device, Op op, const FaultReader& reader, const Matrix& m) {
  const NodeRef good = reader.build(matrix(op, m, -1));
  const std::string wrong = difference(device.kernels->evaluate(good), reference_evaluate(*good));
  return wrong.empty() ? wrong : device.name + ": " + reader.name + ": " + wrong;
}

// Takes turns with the operations, so that each meets each reader.
void check_lengths(const std::vector<Device>& devices, const Matrix& m, size_t turn,
                   size_t operations) {
  const std::vector<Op> ops = faulting_ops();
  const std::vector<FaultReader>& readers = fault_readers();
  const int64_t count = m.rows * m.columns;
  for (size_t r = 0; r < readers.size(); ++r) {
    for (size_t i = 0; i < operations; ++i) {
      const Op op = ops[(turn + r + i) % ops.size()];
      const Device& device = devices[(turn + r / 2 + i) % devices.size()];
      const int64_t bad = static_cast<int64_t>((turn + r) % 4 * 29 + turn * 7 + i) % count;
      EXPECT_EQ(check(device, op, readers[r], m, bad), "");
      EXPECT_EQ(check(device, op, readers[r], m, count - 1), "");
      EXPECT_EQ(check_good(device, op, readers[r], m), "");
    }
  }
}

TEST(Faults, OfRowsOfAnyLength) {
  const auto all = devices();
  size_t turn = 0;
  for (int64_t columns = 1; columns <= 40; ++columns) {
    for (int64_t rows : {1, 9}) check_lengths(all, {rows, columns}, turn++, 2);
    check_lengths(all, {5, columns, true}, turn++, 1);
  }
}

// Blocks, stages of partial results, teams of invocations, whole rows in registers.
TEST(Faults, OfLongRows) {
  const auto all = devices();
  size_t turn = 0;
  for (const Matrix& m : {Matrix{2, 100}, Matrix{1, 1024}, Matrix{3, 1025}, Matrix{1, 9000},
                          Matrix{40, 300, true}, Matrix{1, 5000, true}}) {
    check_lengths(all, m, turn++, 1);
  }
}

// --gtest_also_run_disabled_tests --gtest_filter='*Long*'
TEST(Faults, DISABLED_LongRowsOfAnyLength) {
  const auto all = devices();
  const std::vector<Op> ops = faulting_ops();
  for (int64_t columns = 1; columns <= 40; ++columns) {
    for (const Matrix& m :
         {Matrix{1, columns}, Matrix{3, columns}, Matrix{70, columns}, Matrix{6, columns, true}}) {
      for (const Op op : ops) {
        for (const FaultReader& reader : fault_readers()) {
          for (const Device& device : all) {
            for (int64_t bad : {int64_t{0}, m.columns - 1, m.rows * m.columns / 2}) {
              ASSERT_EQ(check(device, op, reader, m, bad), "");
            }
            ASSERT_EQ(check_good(device, op, reader, m), "");
          }
        }
      }
    }
  }
}

// ---- Places ----

// Elements 0, 1, ... of a shape that such a view of them shows.
using View = std::function<NodeRef(const NodeRef& x)>;

TEST(Faults, NameTheFirstElementThatNeedsTheirs) {
  const Shape shape = {6, 20};
  const auto owner = host_graveyard();
  const NodeRef none = constant(owner, make_scalar(DType::s32, int64_t{-1}), {});
  const NodeRef beside = constant(owner, make_scalar(DType::s32, int64_t{-1}), shape);
  const std::vector<std::pair<std::string, View>> views = {
      {"itself", [](const NodeRef& x) { return x; }},
      {"reverse", [](const NodeRef& x) { return reverse(x, {1}); }},
      {"transpose",
       [](const NodeRef& x) {
         return transpose(x, {1, 0});
       }},
      {"slice",
       [](const NodeRef& x) {
         const std::vector<int64_t> starts = {1, 2}, lengths = {5, 17}, strides = {2, 3};
         return slice(x, starts, lengths, strides);
       }},
      {"reshape",
       [](const NodeRef& x) {
         return reshape(transpose(x, {1, 0}), {8, 15});
       }},
      {"broadcast",
       [](const NodeRef& x) {
         return broadcast(x, {3, 6, 20}, {1, 2});
       }},
      {"pad",
       [&](const NodeRef& x) {
         return pad(x, none, {{1, 2}, {0, 3}, {0, 1}});
       }},
      {"negative pad",
       [&](const NodeRef& x) {
         return pad(x, none, {{-1, 4}, {2, -3}, {0, 0}});
       }},
      {"first part",
       [&](const NodeRef& x) {
         return concatenate(std::vector{x, beside, beside}, 1);
       }},
      {"last part",
       [&](const NodeRef& x) {
         return concatenate(std::vector{beside, beside, x}, 1);
       }},
      {"padded part",
       [&](const NodeRef& x) {
         const NodeRef padded = pad(reverse(x, {0}), none, {{2, 0}, {1, 0}, {0, 0}});
         return reverse(concatenate(std::vector{beside, padded}, 0), {1});
       }},
      {"windows",
       [](const NodeRef& x) {
         return windows(x, {{2, 3}, {2, 3}, {1, 1}});
       }},
  };
  const auto all = devices();
  for (const auto& [name, view] : views) {
    const NodeRef seen = view(iota(owner, DType::s32, shape, -1));
    const HostTensor sources = reference_evaluate(*seen);
    for (int64_t bad : {0, 1, 22, 47, 65, 119}) {
      int64_t first = 0;
      while (first < sources.count() && to_double(sources.at(first)) != bad) ++first;
      for (const Op op : {Op::quotient, Op::bounded_index}) {
        for (const Device& device : all) {
          SCOPED_TRACE(name + ", element " + std::to_string(bad) + ", " + device.name);
          const NodeRef x = view(faulty(owner, op, shape, bad));
          const Failure found = failure(*device.kernels, elementwise(Op::negate, {x}));
          if (first == sources.count()) {
            // Nothing needs it. What a view leaves out may be computed all the same.
            EXPECT_TRUE(!found || found.status == status_of(info(op).fault));
          } else {
            EXPECT_NE(found.message.str().find(element(first)), std::string::npos) << found.message;
          }
        }
      }
    }
  }
}

// A value that serves a row of results, or all of them.
TEST(Faults, OfValuesThatServeMany) {
  const auto owner = host_graveyard();
  for (const Device& device : devices()) {
    SCOPED_TRACE(device.name);
    const NodeRef x = iota(owner, DType::s32, {5, 7}, 1);
    const NodeRef rows = faulty(owner, Op::quotient, {5, 1}, 3);
    const NodeRef all = faulty(owner, Op::quotient, {}, 0);
    const auto place = [&](const NodeRef& node) {
      return failure(*device.kernels, node).message.str();
    };
    const auto centred = [&](const NodeRef& y) {
      return elementwise(Op::subtract, {y, reduce(Op::reduce_max, y, Axes{1}, true)});
    };
    EXPECT_NE(place(elementwise(Op::add, {x, rows})).find(element(21)), std::string::npos);
    EXPECT_NE(place(elementwise(Op::add, {x, all})).find(element(0)), std::string::npos);
    EXPECT_NE(place(centred(elementwise(Op::add, {x, rows}))).find(element(21)), std::string::npos);
    // Behind the reduction.
    const NodeRef sum = reduce(Op::sum, x, Axes{1}, true);
    EXPECT_NE(
        place(elementwise(Op::add, {elementwise(Op::quotient, {sum, rows}), x})).find(element(21)),
        std::string::npos);
    const NodeRef part = concatenate(std::vector{x, elementwise(Op::add, {x, all})}, 0);
    EXPECT_NE(place(part).find(element(35)), std::string::npos);
    // Row 3, column 7: the second window of the second line of five.
    const NodeRef tiles =
        windows(faulty(owner, Op::quotient, {6, 20}, 67), {{2, 4}, {2, 4}, {1, 1}});
    EXPECT_NE(place(reduce(Op::sum, tiles, Axes{2, 3}, false)).find(element(6)), std::string::npos);
  }
}

// ---- Causes ----

struct Parts {
  int64_t index = -1, divisor = -1, amount = -1, exponent = -1;  // where each is wrong
};

constexpr int64_t kCount = 30;

NodeRef at(const GraveyardRef& owner, int64_t right, int64_t wrong, int64_t place) {
  HostTensor t(DType::s32, {kCount});
  for (int64_t i = 0; i < kCount; ++i) {
    t.set(i, make_scalar(DType::s32, i == place ? wrong : right));
  }
  const NodeRef x = host_value(owner, DType::s32, {kCount}, t.bytes);
  return elementwise(Op::bitwise_or, {x, x});
}

NodeRef taken(const NodeRef& x, const NodeRef& index) {
  return library::call("take", std::vector{x, index},
                       std::vector<library::Option>{{"axis", {0}, {}}})[0];
}

// take, quotient, right_shift and pow in one kernel.
NodeRef four_causes(const Parts& wrong) {
  const auto owner = host_graveyard();
  const NodeRef table = iota(owner, DType::s32, {9}, 0);
  const NodeRef x = taken(table, at(owner, 5, 9, wrong.index));
  const NodeRef ratio = elementwise(Op::quotient, {x, at(owner, 2, 0, wrong.divisor)});
  const NodeRef shifted = elementwise(Op::right_shift, {ratio, at(owner, 1, -7, wrong.amount)});
  return elementwise(Op::pow, {shifted, at(owner, 3, -1, wrong.exponent)});
}

TEST(Faults, TheFirstPlaceDecidesBetweenCauses) {
  struct Case {
    Parts wrong;
    Op op;
    int64_t place;
  };
  const std::vector<Case> cases = {
      {{4, -1, -1, -1}, Op::bounded_index, 4}, {{-1, 5, -1, -1}, Op::quotient, 5},
      {{-1, -1, 6, -1}, Op::right_shift, 6},   {{-1, -1, -1, 7}, Op::pow, 7},
      {{4, 3, -1, -1}, Op::quotient, 3},       {{4, 21, -1, -1}, Op::bounded_index, 4},
      {{29, 28, 27, 26}, Op::pow, 26},         {{29, 28, 1, 2}, Op::right_shift, 1},
      {{8, 8, 8, 8}, Op::bounded_index, 8},    {{-1, 8, 8, 8}, Op::quotient, 8},
      {{9, -1, 8, 8}, Op::right_shift, 8},
  };
  for (const Device& device : devices()) {
    for (const Case& c : cases) {
      SCOPED_TRACE(device.name + ", " + std::string(name(c.op)) + " at " + std::to_string(c.place));
      const Failure found = failure(*device.kernels, four_causes(c.wrong));
      EXPECT_EQ(found.status, status_of(info(c.op).fault));
      EXPECT_EQ(found.message.str().find(reason(info(c.op).fault)), 0U) << found.message;
      EXPECT_NE(found.message.str().find(element(c.place)), std::string::npos) << found.message;
      const NodeRef sum = reduce(Op::sum, reshape(four_causes(c.wrong), {3, 10}), Axes{1}, false);
      EXPECT_EQ(failure(*device.kernels, sum).status != Status::ok, true);
    }
    EXPECT_FALSE(failure(*device.kernels, four_causes({})));
    EXPECT_EQ(device.kernels->invalid(), "");
  }
}

// At one place, what was computed first: a zero divisor gives an index that is wrong for no reason
// of its own.
TEST(Faults, OfOnePlaceTheFirstCauses) {
  const auto owner = host_graveyard();
  for (const Device& device : devices()) {
    const NodeRef index = elementwise(Op::quotient, {at(owner, 8, 99, 12), at(owner, 2, 0, 12)});
    const Failure found = failure(*device.kernels, taken(iota(owner, DType::s32, {9}, 0), index));
    EXPECT_EQ(found.status, Status::arithmetic) << device.name << ": " << found.message;
  }
}

TEST(Faults, AFunctionsAreToldApart) {
  const auto owner = host_graveyard();
  const auto call = [&](int64_t bad_element, int64_t bad_start, const Shape& shape, DType type) {
    const NodeRef p = parameter(owner, type), acc = parameter(owner, type);
    const NodeRef one = constant(owner, make_scalar(type, int64_t{1}), {});
    const NodeRef body = elementwise(
        Op::add, {elementwise(Op::quotient, {one, p}), elementwise(Op::left_shift, {one, acc})});
    HostTensor t(type, shape);
    for (int64_t i = 0; i < t.count(); ++i) {
      t.set(i, make_scalar(type, int64_t{i == bad_element ? 0 : 3}));
    }
    const NodeRef start = constant(owner, make_scalar(type, bad_start), {});
    return library::call("reduce",
                         std::vector{host_value(owner, type, shape, t.bytes), start, p, acc, body},
                         std::vector<library::Option>{{"axes", {1}, {}}})[0];
  };
  for (const Device& device : devices()) {
    for (DType type : {DType::s32, DType::s8}) {
      SCOPED_TRACE(device.name + " " + std::string(name(type)));
      EXPECT_FALSE(failure(*device.kernels, call(-1, 0, {7, 2}, type)));
      const Failure zero = failure(*device.kernels, call(9, 0, {7, 2}, type));
      EXPECT_EQ(zero.status, Status::arithmetic);
      EXPECT_NE(zero.message.str().find(element(4)), std::string::npos) << zero.message;
      const Failure shift = failure(*device.kernels, call(9, -2, {7, 2}, type));
      EXPECT_EQ(shift.status, Status::negative_shift);
      EXPECT_NE(shift.message.str().find(element(0)), std::string::npos) << shift.message;
    }
  }
}

// ---- Operations with kernels of their own ----

TEST(Faults, OfASystemNameTheMatrix) {
  const auto owner = host_graveyard();
  for (const Device& device : devices()) {
    for (const char* side : {"lower", "upper"}) {
      HostTensor a(DType::f32, {3, 40, 40});
      for (int64_t i = 0; i < a.count(); ++i) {
        a.set(i, make_scalar(DType::f32, i / 1600 == 1 && i % 1600 == 35 * 41 ? 0.0 : 1.0));
      }
      const NodeRef known = host_value(owner, DType::f32, a.shape, a.bytes);
      const NodeRef x =
          library::call("triangular_solve",
                        std::vector{elementwise(Op::max, {known, known}),
                                    constant(owner, make_scalar(DType::f32, 1.0), {3, 40, 2})},
                        std::vector<library::Option>{{"lower", {side[0] == 'l'}, {}}})[0];
      const Failure found = failure(*device.kernels, x);
      EXPECT_EQ(found.status, Status::singular) << device.name;
      EXPECT_EQ(found.message, "can't solve for singular matrix in triangular_solve at matrix 1");
    }
  }
}

TEST(Faults, EveryOperationThatHasOneHasACase) {
  for (int i = 0; i < kOpCount; ++i) {
    const auto op = static_cast<Op>(i);
    if (info(op).fault == Fault::none) continue;
    if (info(op).fusion == Fusion::pointwise) {
      EXPECT_NO_THROW(faulty(host_graveyard(), op, {3}, 1)) << name(op);
    } else {  // tested above, and scatters in scatter_test.cpp
      EXPECT_TRUE(op == Op::triangular_solve || op == Op::scatter_add || op == Op::last_update ||
                  op == Op::last_slot)
          << name(op);
    }
  }
}

}  // namespace
}  // namespace nxv::kernels
