// From a Fourier transform to its dispatches.
//
// Lengths without a prime factor above 13 are transformed directly, in passes of radices up to 16.
// All others by Bluestein's algorithm ("A linear filtering approach to the computation of discrete
// Fourier transform", IEEE Trans. Audio Electroacoust. 18, 1970): with the chirp c[k] = exp(-pi i
// k^2 / n), row times chirp, convolved with the conjugate chirp, times chirp. The convolution is
// one of a power of two numbers, 2n - 1 or more.
//
// Short c64 transforms compute in f64 where that is fast, and round once.
#include "kernels/fft/fft.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "kernels/common/divide_up.h"
#include "kernels/fft/fft_butterfly.h"

namespace nxv::kernels {
namespace {

constexpr int64_t kLongestInF64 = 4096;
constexpr int64_t kLongestChirp = int64_t{1} << 29;

constexpr Family<FftPass> kFftPass = {"fft", generate_fft_pass};
constexpr Family<FftTable> kFftRoots = {"fft_roots", generate_fft_roots};
constexpr Family<FftTable> kFftChirp = {"fft_chirp", generate_fft_chirp};

// The radices of n, largest first; empty where a prime factor is too large.
std::vector<int> radices_of(int64_t n) {
  std::vector<int> radices;
  do {
    int r = static_cast<int>(std::min<int64_t>(n, kLargestRadix));
    while (r > 1 && n % r != 0) --r;
    if (r == 1 && n > 1) return {};
    radices.push_back(r);
    n /= r;
  } while (n > 1);
  return radices;
}

// Where numbers lie: a workspace, or one of these.
constexpr int kOperand = -1, kOutput = -2, kNowhere = -3;

// A transform of all rows of a slab.
struct Transform {
  int64_t size = 1;
  std::vector<int> radices;
  int64_t first_row = 0, rows = 1;
  FftLoad load = FftLoad::row;
  FftStore store = FftStore::result;
  int source = kOperand, target = kOutput;
  // Where passes store that are an odd and an even number of passes before the last.
  int odd = kNowhere, even = kNowhere;
};

class FftLowering {
 public:
  FftLowering(const Region& region, const Target& target)
      : region_(region),
        target_(target),
        attr_(region.root->attribute<FftAttr>()),
        length_(region.root->shape.back()),
        rows_(region.root->count / length_),
        type_(region.root->dtype),
        number_(type_ == DType::c64 && target.math.f64 && length_ <= kLongestInF64 ? DType::c128
                                                                                   : type_) {}

  Lowering run() {
    const std::vector<int> radices = radices_of(length_);
    if (radices.empty()) {
      convolve();
    } else {
      transform_directly(radices);
    }
    return std::move(lowering_);
  }

 private:
  void transform_directly(const std::vector<int>& radices) {
    divisor_ = attr_.inverse ? static_cast<double>(length_) : 1;
    Transform t;
    t.size = length_;
    t.radices = radices;
    t.rows = rows_;
    if (radices.size() == 1) return transform(t);
    roots_ = make_roots(radices, length_);
    const int64_t slab = rows_of_slab(length_);
    t.odd = workspace(slab * length_);
    // The output holds numbers on their way where it has their type.
    if (number_ == type_) {
      t.even = kOutput;
    } else if (radices.size() > 2) {
      t.even = workspace(slab * length_);
    }
    for (; t.first_row < rows_; t.first_row += slab) {
      t.rows = std::min(slab, rows_ - t.first_row);
      transform(t);
    }
  }

  void convolve() {
    if (length_ > kLongestChirp) {
      throw Error(Status::unsupported, "a Fourier transform of " + std::to_string(length_) +
                                           " numbers, which has a prime factor above 13, is longer "
                                           "than 2^29");
    }
    const auto size = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(2 * length_ - 1)));
    divisor_ = static_cast<double>(size) * (attr_.inverse ? static_cast<double>(length_) : 1);
    const std::vector<int> radices = radices_of(size);
    roots_ = make_roots(radices, size);
    chirp_ = workspace(length_);
    table(kFftChirp, chirp_, length_, 0);
    spectrum_ = workspace(size);
    const int64_t slab = rows_of_slab(size);
    const int a = workspace(slab * size), b = workspace(slab * size);

    Transform filter;
    filter.size = size;
    filter.radices = radices;
    filter.load = FftLoad::filter;
    filter.source = kNowhere;
    filter.store = FftStore::stored;
    filter.target = filter.even = spectrum_;
    filter.odd = a;
    transform(filter);

    Transform forward = filter;
    forward.load = FftLoad::chirped_row;
    forward.source = kOperand;
    forward.target = forward.even = a;
    forward.odd = b;
    Transform back = filter;
    back.load = FftLoad::product;
    back.source = a;
    back.store = FftStore::chirped_result;
    back.target = kOutput;
    // The first pass must not write where it reads.
    back.even = radices.size() % 2 == 0 ? a : b;
    back.odd = radices.size() % 2 == 0 ? b : a;
    for (int64_t first = 0; first < rows_; first += slab) {
      forward.first_row = back.first_row = first;
      forward.rows = back.rows = std::min(slab, rows_ - first);
      transform(forward);
      transform(back);
    }
  }

  int64_t rows_of_slab(int64_t size) const {
    const uint64_t row =
        static_cast<uint64_t>(size) * static_cast<uint64_t>(storage_bytes(number_));
    return std::min(rows_, static_cast<int64_t>(std::max<uint64_t>(
                               1, target_.plan->tuning.transform_slab_bytes / row)));
  }

  int workspace(int64_t numbers) {
    return lowering_.add_workspace(static_cast<uint64_t>(numbers * storage_bytes(number_)));
  }

  int make_roots(const std::vector<int>& radices, int64_t size) {
    const int roots = workspace(size);
    uint64_t packed = 0;
    for (size_t i = 0; i < radices.size(); ++i) {
      packed |= static_cast<uint64_t>(radices[i] - 1) << (4 * i);
    }
    table(kFftRoots, roots, size, packed);
    return roots;
  }

  void table(const Family<FftTable>& family, int to, int64_t count, uint64_t radices) {
    const auto elements = static_cast<uint64_t>(count);
    const FftTableWords words = {static_cast<uint32_t>(count), static_cast<uint32_t>(radices),
                                 static_cast<uint32_t>(radices >> 32)};
    Launch& d = lowering_.add(launch_of(family, region_, target_, FftTable{number_}, words));
    d.groups = fold_groups(divide_up(elements, kFftTableWorkgroup), *target_.plan);
    d.workspaces = {writes(to)};
    d.reads_operands = d.writes_output = false;
    d.work = 64 * elements;
  }

  void transform(const Transform& t) {
    int64_t done = 1;
    int source = t.source;
    for (size_t i = 0; i < t.radices.size(); ++i) {
      const size_t left = t.radices.size() - 1 - i;
      const int to = left == 0 ? t.target : left % 2 == 0 ? t.even : t.odd;
      pass(t, i, done, source, to);
      done *= t.radices[i];
      source = to;
    }
  }

  void pass(const Transform& t, size_t i, int64_t done, int from, int to) {
    const plan::Tuning& tuning = target_.plan->tuning;
    FftPass p;
    p.radix = static_cast<uint32_t>(t.radices[i]);
    p.first = i == 0;
    p.last = i + 1 == t.radices.size();
    if (p.first) p.load = t.load;
    if (p.last) p.store = t.store;
    // Passes in between do not see the direction.
    const bool outer = p.reads_operand() || p.store != FftStore::stored;
    p.inverse = attr_.inverse && outer;
    p.divides = p.store != FftStore::stored && divisor_ != 1;
    p.from_output = from == kOutput;
    p.to_output = to == kOutput;
    p.number = number_;
    p.workgroup = tuning.workgroup;
    p.chunked = tuning.chunk_elements > 0;

    const int64_t butterflies = t.size / p.radix;
    const auto units = static_cast<uint64_t>(t.rows * butterflies);
    const uint64_t chunk =
        p.chunked ? std::max<uint64_t>(1, tuning.chunk_elements / p.radix) : tuning.workgroup;
    FftWords words;
    words.units = static_cast<uint32_t>(units);
    words.chunk = static_cast<uint32_t>(chunk);
    words.butterflies = Divisor(static_cast<uint64_t>(butterflies));
    words.done = Divisor(static_cast<uint64_t>(done));
    words.size = static_cast<uint32_t>(t.size);
    words.length = static_cast<uint32_t>(length_);
    words.first_row = static_cast<uint32_t>(t.first_row);
    words.epsilon = WideRealWord(attr_.epsilon, number_ == DType::c128);
    words.divisor = WideRealWord(divisor_, number_ == DType::c128);
    Launch& d = lowering_.add(launch_of(kFftPass, region_, target_, p, words));
    d.groups = fold_groups(divide_up(units, chunk), *target_.plan);
    if (p.reads_workspace()) d.workspaces.push_back(reads(from));
    if (p.writes_workspace()) d.workspaces.push_back(writes(to));
    if (!p.first) d.workspaces.push_back(reads(roots_));
    if (p.reads_chirp()) d.workspaces.push_back(reads(chirp_));
    if (p.load == FftLoad::product) d.workspaces.push_back(reads(spectrum_));
    d.reads_operands = p.reads_operand();
    d.reads_output = p.from_output;
    d.writes_output = p.to_output;
    d.work = units * 8 * p.radix;
  }

  const Region& region_;
  const Target& target_;
  const FftAttr attr_;
  const int64_t length_, rows_;
  const DType type_;
  const DType number_;  // that passes compute in
  double divisor_ = 1;  // of results
  int roots_ = kNowhere, chirp_ = kNowhere, spectrum_ = kNowhere;
  Lowering lowering_;
};

}  // namespace

Lowering lower_fft(const Region& region, const Target& target) {
  return FftLowering(region, target).run();
}

}  // namespace nxv::kernels
