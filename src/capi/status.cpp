#include <cstdlib>
#include <cstring>

#include "capi/handles.h"
#include "library/registry.h"

namespace nxv::capi {

static_assert(static_cast<int>(Status::internal) == NXV_INTERNAL);
static_assert(static_cast<int>(Status::negative_shift) == NXV_NEGATIVE_SHIFT);
static_assert(static_cast<int>(Status::singular) == NXV_SINGULAR);
static_assert(static_cast<int>(Status::alloc_failed) == NXV_ALLOC_FAILED);
static_assert(static_cast<int>(Status::deallocated) == NXV_DEALLOCATED);
static_assert(static_cast<int>(DType::c128) == NXV_C128);
static_assert(static_cast<int>(DType::f8_e4m3fn) == NXV_F8_E4M3FN);

thread_local int InCallback::depth_ = 0;

void InCallback::refuse(const char* function) {
  if (depth_ > 0) {
    throw Error(Status::invalid_argument,
                std::string(function) + " waits, which a callback must not do; call it elsewhere");
  }
}

std::string& last_error() {
  thread_local std::string message;
  return message;
}

nxv_status report(Status status, const char* message) noexcept {
  try {
    last_error() = message;
  } catch (...) {
    last_error().clear();
  }
  return static_cast<nxv_status>(status);
}

char* copy_text(const std::string& text) {
  auto* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy == nullptr) throw std::bad_alloc();
  std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

}  // namespace nxv::capi

const char* nxv_last_error(void) noexcept { return nxv::capi::last_error().c_str(); }

const char* nxv_status_name(nxv_status status) noexcept {
  switch (status) {
    case NXV_OK:
      return "ok";
    case NXV_INVALID_ARGUMENT:
      return "invalid_argument";
    case NXV_SIZE_MISMATCH:
      return "size_mismatch";
    case NXV_EMPTY_TENSOR:
      return "empty_tensor";
    case NXV_ALLOC_FAILED:
      return "alloc_failed";
    case NXV_DEVICE_LOST:
      return "device_lost";
    case NXV_NO_DEVICE:
      return "no_device";
    case NXV_UNSUPPORTED:
      return "unsupported";
    case NXV_OUT_OF_BOUNDS:
      return "out_of_bounds";
    case NXV_ARITHMETIC:
      return "arithmetic";
    case NXV_DEALLOCATED:
      return "deallocated";
    case NXV_INTERNAL:
      return "internal";
    case NXV_NEGATIVE_SHIFT:
      return "negative_shift";
    case NXV_SINGULAR:
      return "singular";
    case NXV_ANY_STATUS:
      break;
  }
  return "unknown";
}

const char* nxv_dtype_name(nxv_dtype type) noexcept {
  const auto index = static_cast<unsigned>(type);
  if (index >= static_cast<unsigned>(nxv::kDTypeCount)) return "";
  return nxv::name(static_cast<nxv::DType>(type)).data();
}

nxv_status nxv_dtype_from_name(const char* name, nxv_dtype* out) noexcept {
  return nxv::capi::guarded([&] {
    nxv::capi::require(name, "name");
    nxv::capi::require(out, "out");
    const auto type = nxv::dtype_from_name(name);
    if (!type)
      throw nxv::Error(nxv::Status::invalid_argument, std::string("no type is named ") + name);
    *out = static_cast<nxv_dtype>(*type);
  });
}

size_t nxv_host_bytes(nxv_dtype type, int64_t count) noexcept {
  if (static_cast<unsigned>(type) >= static_cast<unsigned>(nxv::kDTypeCount)) return 0;
  if (count < 0 || count > nxv::kMaxElements) return 0;
  return static_cast<size_t>(nxv::packed_bytes(static_cast<nxv::DType>(type), count));
}

namespace {

const nxv::library::Row& call_row(int row) {
  const nxv::library::Row* found =
      row < 0 ? nullptr : nxv::library::row_at(static_cast<size_t>(row));
  if (found == nullptr) {
    throw nxv::Error(nxv::Status::invalid_argument,
                     "no operation by name has index " + std::to_string(row));
  }
  return *found;
}

}  // namespace

int nxv_op_count(void) noexcept { return nxv::kOpCount; }

nxv_status nxv_op_info(int op, nxv_op_row* out) noexcept {
  return nxv::capi::guarded([&] {
    nxv::capi::require(out, "out");
    if (op < 0 || op >= nxv::kOpCount) {
      throw nxv::Error(nxv::Status::invalid_argument,
                       "no operation has index " + std::to_string(op));
    }
    const nxv::OpInfo& row = nxv::kOps[op];
    out->name = row.name.data();
    out->arity = row.arity == nxv::kVariadic ? -1 : row.arity;
    out->is_elementwise = row.fusion == nxv::Fusion::pointwise && nxv::Op(op) != nxv::Op::cast &&
                          nxv::Op(op) != nxv::Op::bitcast && nxv::Op(op) != nxv::Op::bounded_index;
  });
}

int nxv_call_count(void) noexcept { return static_cast<int>(nxv::library::row_count()); }

nxv_status nxv_call_info(int row, nxv_call_row* out) noexcept {
  return nxv::capi::guarded([&] {
    nxv::capi::require(out, "out");
    const nxv::library::Row& call = call_row(row);
    out->name = call.name.data();
    out->operands = call.tensors;
    out->option_count = static_cast<int>(call.options.size());
    out->is_primitive = nxv::library::is_primitive(call);
    out->summary = call.summary;
  });
}

nxv_status nxv_call_option_info(int row, int option, nxv_call_option* out) noexcept {
  return nxv::capi::guarded([&] {
    nxv::capi::require(out, "out");
    const nxv::library::Row& call = call_row(row);
    if (option < 0 || static_cast<size_t>(option) >= call.options.size()) {
      throw nxv::Error(
          nxv::Status::invalid_argument,
          std::string(call.name) + " has no option of index " + std::to_string(option));
    }
    const nxv::library::OptionRow& found = call.options[static_cast<size_t>(option)];
    out->name = found.name;
    out->kind = nxv::library::name(found.kind).data();
  });
}

int nxv_op_find(const char* name) noexcept {
  if (name == nullptr) return -1;
  const auto op = nxv::op_from_name(name);
  return op ? static_cast<int>(*op) : -1;
}

void nxv_free_text(char* text) noexcept { std::free(text); }
