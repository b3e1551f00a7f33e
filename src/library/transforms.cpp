// Transforms: Fourier transforms.
#include <numeric>
#include <string>

#include "graph/build.h"
#include "library/families.h"

namespace nxv::library {
namespace {

constexpr double kEpsilon = 1.0e-10;

struct Line {
  int64_t axis, length;
};

// `axis` of x cut or filled up with zeros at its end.
NodeRef fit(const NodeRef& x, const Line& line) {
  const int64_t size = x->shape[line.axis];
  const size_t rank = x->shape.size();
  if (size == line.length) return x;
  const std::vector<int64_t> zeros(rank, 0), ones(rank, 1);
  if (size > line.length) {
    Shape lengths = x->shape;
    lengths[line.axis] = line.length;
    return slice(x, zeros, lengths, ones);
  }
  PadAttr amounts{zeros, zeros, zeros};
  amounts.high[line.axis] = line.length - size;
  return pad(x, constant(x->shared_graveyard(), make_scalar(x->dtype, int64_t{0}), {}), amounts);
}

// Kernels transform the last axis.
NodeRef transform(const NodeRef& x, const Line& line, bool inverse, double epsilon) {
  NodeRef y = fit(cast(x, to_complex(x->dtype)), line);
  const auto last = static_cast<int64_t>(x->shape.size()) - 1;
  Axes swapped(x->shape.size());
  std::iota(swapped.begin(), swapped.end(), 0);
  std::swap(swapped[line.axis], swapped[last]);
  if (line.axis != last) y = transpose(y, swapped);
  y = make_node(Op::fft, y->dtype, y->shape, {y}, FftAttr{inverse, epsilon});
  return line.axis == last ? y : transpose(y, swapped);
}

int64_t positive(const Arguments& args, int64_t length) {
  if (length < 1) args.fail("needs a length of at least 1, got " + std::to_string(length));
  return length;
}

double epsilon(const Arguments& args) { return args.real("eps", kEpsilon); }

// The axis and length that the options name.
Line line(const Arguments& args) {
  args.require_rank(1);
  const NodeRef& x = args.tensor(0);
  const int64_t axis = args.axis("axis", static_cast<int64_t>(x->shape.size()) - 1);
  return {axis, positive(args, args.integer("length", x->shape[axis]))};
}

std::vector<NodeRef> along_axis(const Arguments& args, bool inverse) {
  return {transform(args.tensor(0), line(args), inverse, epsilon(args))};
}
std::vector<NodeRef> fft(const Arguments& args) { return along_axis(args, false); }
std::vector<NodeRef> ifft(const Arguments& args) { return along_axis(args, true); }

// The second axis first, as Nx does it: small parts become zero after each.
std::vector<NodeRef> along_two_axes(const Arguments& args, bool inverse) {
  args.require_rank(2);
  const NodeRef& x = args.tensor(0);
  const auto rank = static_cast<int64_t>(x->shape.size());
  const Axes axes = args.has("axes") ? args.axes("axes", x) : Axes{rank - 2, rank - 1};
  if (axes.size() != 2) args.fail("takes two axes, got " + std::to_string(axes.size()));
  const std::vector<int64_t> lengths =
      args.has("lengths") ? args.integers("lengths") : Shape{x->shape[axes[0]], x->shape[axes[1]]};
  if (lengths.size() != 2) args.fail("takes two lengths, got " + std::to_string(lengths.size()));
  const double eps = epsilon(args);
  const NodeRef second = transform(x, {axes[1], positive(args, lengths[1])}, inverse, eps);
  return {transform(second, {axes[0], positive(args, lengths[0])}, inverse, eps)};
}
std::vector<NodeRef> fft2(const Arguments& args) { return along_two_axes(args, false); }
std::vector<NodeRef> ifft2(const Arguments& args) { return along_two_axes(args, true); }

std::vector<NodeRef> rfft(const Arguments& args) {
  const Line full = line(args);
  if (is_complex(args.tensor(0)->dtype)) {
    args.fail("takes a real tensor, got " + describe(args.tensor(0)));
  }
  const NodeRef spectrum = transform(args.tensor(0), full, false, epsilon(args));
  return {fit(spectrum, {full.axis, full.length / 2 + 1})};
}

// The half spectrum and the conjugate of its inner part, reversed, are the whole one.
std::vector<NodeRef> irfft(const Arguments& args) {
  args.require_rank(1);
  const NodeRef& x = args.tensor(0);
  const auto rank = static_cast<int64_t>(x->shape.size());
  const int64_t axis = args.axis("axis", rank - 1);
  const Line full{axis, positive(args, args.integer("length", 2 * (x->shape[axis] - 1)))};
  const int64_t half = full.length / 2 + 1, mirrored = full.length - half;
  NodeRef spectrum = fit(cast(x, to_complex(x->dtype)), {axis, half});
  if (mirrored > 0) {
    const std::vector<int64_t> ones(x->shape.size(), 1);
    std::vector<int64_t> starts(x->shape.size(), 0);
    Shape lengths = spectrum->shape;
    starts[axis] = 1;
    lengths[axis] = mirrored;
    const NodeRef inner = slice(spectrum, starts, lengths, ones);
    const std::vector<NodeRef> parts = {spectrum,
                                        reverse(elementwise(Op::conjugate, {inner}), {axis})};
    spectrum = concatenate(parts, axis);
  }
  const NodeRef result = transform(spectrum, full, true, epsilon(args));
  return {elementwise(Op::real, {result})};
}

using enum OptionKind;
constexpr OptionRow kAlongAxis[] = {{"axis", integer}, {"length", integer}, {"eps", real}};
constexpr OptionRow kAlongAxes[] = {{"axes", integers}, {"lengths", integers}, {"eps", real}};

constexpr Row kRows[] = {
    {"fft", 1, kAlongAxis, fft,
     "Fourier transform along `axis` (the last one) of `length` (the axis's) elements, cut or "
     "filled up with zeros. Complex; parts of a magnitude of at most `eps` (1.0e-10) become 0."},
    {"ifft", 1, kAlongAxis, ifft, "Inverse of fft, divided by the length; options as there."},
    {"fft2", 1, kAlongAxes, fft2,
     "Fourier transform along two `axes` (the last ones) of `lengths`, the second one first; "
     "`eps` as in fft."},
    {"ifft2", 1, kAlongAxes, ifft2, "Inverse of fft2; options as there."},
    {"rfft", 1, kAlongAxis, rfft,
     "The first length / 2 + 1 elements of the fft of a real tensor, which determine the others."},
    {"irfft", 1, kAlongAxis, irfft,
     "Inverse of rfft, a real tensor of `length` (twice the axis's less 2) elements."},
};

}  // namespace

std::span<const Row> transforms_rows() { return kRows; }

}  // namespace nxv::library
