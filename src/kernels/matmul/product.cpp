#include "kernels/matmul/product.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "kernels/common/divide_up.h"
#include "kernels/common/memory_format.h"

namespace nxv::kernels {
namespace {

// Products of f32 of this many multiplications at most are added up in f64, where the device has
// it.
constexpr uint64_t kWideProducts = uint64_t{1} << 22;
// Steps along k that are added up in one chain. A chain in f64 is as long as most matrices are, but
// in small products short, so that several invocations share an element.
constexpr uint32_t kBlock = 256, kWideBlock = 4096, kSmallBlock = 64;
// So do those of few rows or columns on a GPU: there an element takes as long as the whole product.
// More blocks than so many would keep those waiting that add up their sums.
constexpr uint64_t kFewLines = 16, kManyBlocks = 64;

// Whether groups of `unit` elements may start at every multiple of a stride. A dimension of one
// element may have any.
bool fits(uint32_t stride, uint64_t extent, uint32_t unit) {
  return extent == 1 || stride % unit == 0;
}

bool starts_groups(const Product& product, const Factor& factor, uint32_t unit) {
  return !factor.is_gathered && factor.offset % unit == 0 &&
         fits(factor.batch_stride, product.batch, unit);
}

// A gathered factor, as far as choices depend on it.
Factor gathered_factor(const Region& region, const Operand& operand, uint64_t extent) {
  const GatheredShape& shape = operand.gathered;
  Factor f;
  f.type = operand.node->dtype;
  f.extent = extent;
  f.is_gathered = !shape.is_matrices();
  WordIndex at = operand.words;
  f.other_strides = record_at<OffsetWords>(region.words, at).offset;
  at += kWordsOf<OffsetWords>;
  for (uint32_t a = 0; a < shape.axes; ++a, at += kWordsOf<CheckedAxis>) {
    if (shape.dilated >> a & 1) {
      f.other_strides |= record_at<CheckedAxis>(region.words, at).stride;
    }
  }
  for (int index = 0; index < 3; ++index) {
    const uint32_t digits = shape.digits[static_cast<size_t>(index)];
    for (uint32_t d = 0; d < digits; ++d) {
      const auto digit = record_at<DigitWords>(region.words, at);
      at += kWordsOf<DigitWords>;
      int moved = 0;
      int32_t axis = -1;
      bool is_simple = true;
      for (uint32_t a = 0; a < shape.axes; ++a) {
        const uint32_t step = region.words[at++];
        if (!(shape.moves[static_cast<size_t>(index)][d] >> a & 1)) continue;
        axis = static_cast<int32_t>(a);
        is_simple &= ++moved == 1 && step == 1 && !(shape.dilated >> a & 1);
      }
      const uint32_t stride = is_simple ? digit.stride : 0;
      const bool is_innermost = index != GatheredShape::batch && d + 1 == digits;
      if (!is_innermost || !is_simple) f.other_strides |= digit.stride;
      if (!is_innermost) continue;
      if (index == GatheredShape::free) {
        f.free_stride = stride;
        f.free_run = digit.extent.divisor;
        f.free_axis = axis;
      } else {
        f.depth_stride = stride;
        f.depth_run = digit.extent.divisor;
        f.depth_axis = axis;
      }
    }
  }
  // Whatever starts at a multiple of a power of two with each of these does so with every batch.
  if (!f.is_gathered) f.batch_stride = f.other_strides;
  return f;
}

// Whether a gathered factor's elements are neighbours in memory rather along k than along the free
// dimension.
bool runs_along_k(const Factor& f) {
  return f.depth_stride == 1 && (f.free_stride != 1 || f.depth_run >= f.free_run);
}

// Chunks that are no part of a run are loaded element by element.
ChunkAccess chunk_access_of_gathered(const Factor& f, uint32_t unit) {
  ChunkAccess c;
  c.along_k = runs_along_k(f) || f.free_stride != 1;
  const uint64_t run = c.along_k ? f.depth_run : f.free_run;
  c.adjacent = (c.along_k ? f.depth_stride : f.free_stride) == 1 && run % kChunk == 0;
  if (!c.adjacent) return c;
  c.moves = static_cast<uint32_t>((c.along_k ? f.depth_axis : f.free_axis) + 1);
  c.contiguous =
      c.moves == 0 && f.other_strides % unit == 0 &&
      (c.along_k ? fits(f.free_stride, f.free_run, unit) : fits(f.depth_stride, f.depth_run, unit));
  return c;
}

}  // namespace

uint64_t Product::words_of_result() const {
  return divide_up(count(), static_cast<uint64_t>(elements_per_word(stored)));
}

const Operand& factor_operand(const Region& region, int factor) {
  const Expr& sum = region.exprs[static_cast<size_t>(region.contraction())];
  const Expr& e = region.exprs[static_cast<size_t>(sum.args[static_cast<size_t>(factor)])];
  if (e.kind != ExprKind::load) {
    throw Error(Status::internal, "kernels of products read factors that are stored, not '" +
                                      std::string(name(e.op)) + "'");
  }
  return region.operands[static_cast<size_t>(e.operand)];
}

Product product_of(const Region& region) {
  const auto index = static_cast<size_t>(region.contraction());
  const Expr& sum = region.exprs[index];
  const auto words = record_at<ProductWords>(region.words, sum.words);
  const MatrixWords &a = words.a, &b = words.b;
  Product p;
  p.type = sum.dtype;
  p.stored = region.root->dtype;
  for (const Root& root : region.roots) {
    if (storage_bytes(root.node->dtype) < storage_bytes(p.stored)) p.stored = root.node->dtype;
  }
  p.precision = sum.precision;
  p.has_epilogue = index + 1 < region.exprs.size() || region.roots.size() > 1;
  p.batch = words.batch;
  p.m = words.m;
  p.n = words.n;
  p.k = words.k;
  p.a = {factor_operand(region, 0).node->dtype,
         p.m,
         a.offset,
         a.batch_stride,
         a.row_stride,
         a.column_stride};
  p.b = {factor_operand(region, 1).node->dtype,
         p.n,
         b.offset,
         b.batch_stride,
         b.column_stride,
         b.row_stride};
  for (Factor* f : {&p.a, &p.b}) {
    const Operand& operand = factor_operand(region, f == &p.a ? 0 : 1);
    if (operand.addressing == Addressing::gathered) {
      *f = gathered_factor(region, operand, f->extent);
    }
    f->stored = static_cast<uint64_t>(operand.node->count);
  }
  return p;
}

Region product_region(NodeRef a, NodeRef b, NodeRef root, const ProductWords& words,
                      Precision precision) {
  Region region;
  region.kind = RegionKind::matmul;
  Expr sum{ExprKind::contract, Level::row};
  sum.op = Op::dot;
  sum.dtype = root->dtype;
  sum.precision = precision;
  for (NodeRef* node : {&a, &b}) {
    const auto i = static_cast<int16_t>(region.operands.size());
    Expr load{ExprKind::load, Level::element};
    load.op = Op::data;
    load.dtype = (*node)->dtype;
    load.operand = sum.args[static_cast<size_t>(i)] = i;
    region.exprs.push_back(load);
    region.key += name(load.dtype);
    region.key += ',';
    Operand& operand = region.operands.emplace_back();
    operand.node = std::move(*node);
    operand.level = Level::element;
    operand.addressing = Addressing::strided;
    operand.words = word_offset(i == 0 ? &ProductWords::a : &ProductWords::b);
  }
  region.exprs.push_back(sum);
  region.key += name(sum.dtype);
  if (precision != Precision::accurate) region.key += name(precision);
  region.row_count = root->count;
  region.add_root(std::move(root), static_cast<int>(region.exprs.size()) - 1);
  append(region.words, words);
  return region;
}

uint32_t short_block(const Product& p) {
  const uint64_t wanted = std::bit_ceil(divide_up(p.k, kManyBlocks));
  return static_cast<uint32_t>(std::clamp<uint64_t>(wanted, kSmallBlock, kBlock));
}

Accumulation accumulation(const Product& p, const Target& target) {
  if (is_integer(p.type)) return {p.type, kWideBlock};
  if (has_word_sums(p)) return {p.type == DType::f64 ? DType::f64 : DType::f32, kWideBlock};
  const bool small = p.m * p.n <= kWideProducts && p.m * p.n * p.k <= kWideProducts;
  const bool is_f64 = to_real(p.type) == DType::f64;
  // f32 holds the sums of 16-bit floats far beyond what is kept of them.
  const bool narrow = storage_bytes(p.type) <= 2;
  const bool wide = is_f64 || (small && !narrow && target.math.f64);
  const bool few = std::min(p.m, p.n) <= kFewLines && target.plan->tuning.shares_cheaply;
  const uint32_t block = is_f64 ? kWideBlock : wide ? kSmallBlock : few ? short_block(p) : kBlock;
  if (is_complex(p.type)) return {wide ? DType::c128 : DType::c64, block};
  return {wide ? DType::f64 : DType::f32, block};
}

bool starts_lines(const Product& product, const Factor& factor, uint32_t unit) {
  return starts_groups(product, factor, unit) && factor.depth_stride == 1 &&
         fits(factor.free_stride, factor.extent, unit) && product.k % unit == 0;
}

bool starts_steps(const Product& product, const Factor& factor, uint32_t unit) {
  return starts_groups(product, factor, unit) && factor.free_stride == 1 &&
         fits(factor.depth_stride, product.k, unit);
}

FactorAccess access_of(const Product& product, const Factor& factor) {
  using Unit = FactorAccess::Unit;
  if (factor.is_gathered) {
    if (runs_along_k(factor)) return {Unit::depth, false};
    return {factor.free_stride == 1 ? Unit::free : Unit::none, false};
  }
  if (factor.depth_stride == 1) {
    const bool starts = starts_groups(product, factor, kGroup);
    return {Unit::depth, starts && fits(factor.free_stride, factor.extent, kGroup)};
  }
  if (factor.free_stride == 1) {
    return {Unit::free, starts_steps(product, factor, kGroup)};
  }
  return {};
}

ChunkAccess chunk_access(const Product& product, const Factor& factor) {
  const auto unit = static_cast<uint32_t>(16 / storage_bytes(factor.type));
  if (factor.is_gathered) return chunk_access_of_gathered(factor, unit);
  const bool starts = starts_groups(product, factor, unit);
  if (factor.depth_stride == 1) {
    return {true, true,
            starts && fits(factor.free_stride, factor.extent, unit) && product.k % kChunk == 0};
  }
  if (factor.free_stride == 1) {
    return {false, true,
            starts && fits(factor.depth_stride, product.k, unit) && factor.extent % kChunk == 0};
  }
  return {};
}

bool has_word_sums(const Product& product) {
  return has_word_sums(product.type, product.a.type, product.b.type, product.k);
}

bool has_dots(const Product& product, const Target& target) {
  const plan::Capabilities& has = target.plan->has;
  const bool is_mixed = is_unsigned(product.a.type) != is_unsigned(product.b.type);
  return has_word_sums(product) && (is_mixed ? has.mixed_dot : has.packed_dot);
}

std::optional<plan::MatrixShape> integer_shape(const Product& product, const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  if (!plan.has.int8 || !plan.fixed_subgroup_size || !has_word_sums(product)) return {};
  const auto type_of = [](DType t) {
    return is_unsigned(t) ? plan::MatrixType::u8 : plan::MatrixType::s8;
  };
  for (const plan::MatrixShape& s : plan.matrix_shapes) {
    const bool fits = s.m == ir::kMatrixSide && s.n == ir::kMatrixSide &&
                      (s.k == ir::kMatrixSide || s.k == 2 * ir::kMatrixSide);
    const bool has_sums =
        s.accumulator == plan::MatrixType::s32 || s.accumulator == plan::MatrixType::u32;
    if (fits && has_sums && s.a == type_of(product.a.type) && s.b == type_of(product.b.type)) {
      return s;
    }
  }
  return {};
}

PackedAccess packed_access(const Product& product, const Factor& factor) {
  using Unit = PackedAccess::Unit;
  if (factor.is_gathered) {
    // Runs along k that move along no checked axis.
    const bool runs = factor.depth_stride == 1 && factor.depth_axis < 0;
    const auto in_units = [&](uint32_t unit) {
      return runs && factor.depth_run % unit == 0 && factor.other_strides % unit == 0 &&
             fits(factor.free_stride, factor.free_run, unit);
    };
    return in_units(kGroup) ? PackedAccess{Unit::steps, in_units(16)} : PackedAccess{};
  }
  if (starts_lines(product, factor, kGroup)) {
    return {Unit::steps, starts_lines(product, factor, 16)};
  }
  if (starts_steps(product, factor, kGroup)) return {Unit::lines, false};
  return {};
}

std::optional<UnitFactors> unit_factors(const Product& product, const Target& target) {
  const plan::DevicePlan& plan = *target.plan;
  if (integer_shape(product, target)) return UnitFactors::integers;
  const DType type = product.type;
  const auto is_fit = [&](DType t) {
    return t == type || (type == DType::f32 && (t == DType::f16 || t == DType::bf16));
  };
  if (!is_fit(product.a.type) || !is_fit(product.b.type)) return std::nullopt;
  if (!plan.has.coopmat || !plan.fixed_subgroup_size) return std::nullopt;
  if (accumulation(product, target).type != DType::f32) return std::nullopt;
  if (type == DType::bf16 && !plan.has.bf16) return std::nullopt;
  if (type != DType::f16 && type != DType::bf16 && type != DType::f32) return std::nullopt;
  const auto factor = type == DType::bf16 ? plan::MatrixType::bf16 : plan::MatrixType::f16;
  const bool has_shape = std::any_of(
      plan.matrix_shapes.begin(), plan.matrix_shapes.end(), [&](const plan::MatrixShape& s) {
        return s.m == ir::kMatrixSide && s.n == ir::kMatrixSide && s.k == ir::kMatrixSide &&
               s.a == factor && s.b == factor && s.accumulator == plan::MatrixType::f32;
      });
  if (!has_shape) return std::nullopt;
  if (type == DType::f16) return UnitFactors::f16;
  if (type == DType::bf16) return UnitFactors::bf16;
  const bool is_fast = product.precision == Precision::fast && plan.has.subgroup_arithmetic;
  return is_fast ? UnitFactors::scaled : UnitFactors::split;
}

}  // namespace nxv::kernels
