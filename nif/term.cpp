#include "term.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <memory>
#include <span>

namespace nxv::nif {

namespace {

constexpr int kDTypes = NXV_C128 + 1;

// Names as atoms, at the index of what they name. Plain data, never destroyed: these outlive every
// call.
std::array<Term, kDTypes> dtype_atoms;
std::span<const Term> op_atoms;

}  // namespace

Atoms atoms;

void load_atoms(ErlNifEnv* env) {
  atoms = {
      .ok = make_atom(env, "ok"),
      .error = make_atom(env, "error"),
      .pressure = make_atom(env, "pressure"),
      .nil = make_atom(env, "nil"),
      .yes = make_atom(env, "true"),
      .no = make_atom(env, "false"),
      .nan = make_atom(env, "nan"),
      .infinity = make_atom(env, "infinity"),
      .neg_infinity = make_atom(env, "neg_infinity"),
  };
  for (int i = 0; i < kDTypes; ++i) {
    dtype_atoms[i] = make_atom(env, nxv_dtype_name(static_cast<nxv_dtype>(i)));
  }
  const int op_count = nxv_op_count();
  auto ops = std::make_unique<Term[]>(static_cast<size_t>(op_count));
  for (int i = 0; i < op_count; ++i) {
    nxv_op_row row;
    check(nxv_op_info(i, &row));
    ops[i] = make_atom(env, row.name);
  }
  op_atoms = {ops.release(), static_cast<size_t>(op_count)};
}

void check(nxv_status status) {
  if (status != NXV_OK) throw Refusal{status, nxv_last_error()};
}

Term make_atom(ErlNifEnv* env, const char* name) { return enif_make_atom(env, name); }

Term make_binary(ErlNifEnv* env, std::string_view bytes) {
  Term term;
  unsigned char* data = enif_make_new_binary(env, bytes.size(), &term);
  if (!bytes.empty()) std::memcpy(data, bytes.data(), bytes.size());
  return term;
}

Term make_bool(bool value) { return value ? atoms.yes : atoms.no; }

Term make_dtype(nxv_dtype type) { return dtype_atoms[type]; }

Term make_error(ErlNifEnv* env, nxv_status status, std::string_view message) {
  return enif_make_tuple3(env, atoms.error, make_atom(env, nxv_status_name(status)),
                          make_binary(env, message));
}

Term raise_foreign_reference(ErlNifEnv* env) {
  constexpr std::string_view kMessage =
      "the tensor was made in another VM, or before this one was restarted, and its copy refers to "
      "nothing here; send or store its elements, which Nx.Vulkan.to_binary/1, or "
      "Nx.backend_transfer/1 for a tensor of Nx, takes from it where it lives";
  const Term type = make_atom(env, "Elixir.ArgumentError");
  return enif_raise_exception(env, make_map(env, {{"__struct__", type},
                                                  {"__exception__", atoms.yes},
                                                  {"message", make_binary(env, kMessage)}}));
}

Term make_shape(ErlNifEnv* env, const int64_t* dims, int rank) {
  std::vector<Term> sizes;
  for (int i = 0; i < rank; ++i) sizes.push_back(enif_make_int64(env, dims[i]));
  return enif_make_tuple_from_array(env, sizes.data(), static_cast<unsigned>(rank));
}

Term make_map(ErlNifEnv* env, std::initializer_list<std::pair<const char*, Term>> entries) {
  Term map = enif_make_new_map(env);
  for (const auto& [key, value] : entries) {
    enif_make_map_put(env, map, make_atom(env, key), value, &map);
  }
  return map;
}

namespace {

// Takes what it has looked at from `budget`; false when that is used up.
bool look_through(ErlNifEnv* env, Term term, int& budget) {
  Term head;
  while (enif_get_list_cell(env, term, &head, &term)) {
    if (--budget < 0 || !look_through(env, head, budget)) return false;
    int arity;
    const Term* parts;
    if (!enif_get_tuple(env, head, &arity, &parts)) continue;
    for (int i = 0; i < arity; ++i) {
      if (--budget < 0 || !look_through(env, parts[i], budget)) return false;
    }
  }
  return true;
}

}  // namespace

bool is_long(ErlNifEnv* env, Term term) {
  int budget = 1000;
  return !look_through(env, term, budget);
}

template <>
AnyTerm decode<AnyTerm>(ErlNifEnv*, Term term) {
  return {term};
}

template <>
int decode<int>(ErlNifEnv* env, Term term) {
  int value;
  if (!enif_get_int(env, term, &value)) throw BadArgument{};
  return value;
}

template <>
int64_t decode<int64_t>(ErlNifEnv* env, Term term) {
  ErlNifSInt64 value;
  if (!enif_get_int64(env, term, &value)) throw BadArgument{};
  return value;
}

template <>
uint64_t decode<uint64_t>(ErlNifEnv* env, Term term) {
  ErlNifUInt64 value;
  if (!enif_get_uint64(env, term, &value)) throw BadArgument{};
  return value;
}

template <>
bool decode<bool>(ErlNifEnv*, Term term) {
  if (term == atoms.yes) return true;
  if (term == atoms.no) return false;
  throw BadArgument{};
}

template <>
double decode<double>(ErlNifEnv* env, Term term) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  double value;
  ErlNifSInt64 integer;
  if (enif_get_double(env, term, &value)) return value;
  if (enif_get_int64(env, term, &integer)) return static_cast<double>(integer);
  if (term == atoms.nan) return std::numeric_limits<double>::quiet_NaN();
  if (term == atoms.infinity) return kInfinity;
  if (term == atoms.neg_infinity) return -kInfinity;
  throw BadArgument{};
}

template <>
nxv_dtype decode<nxv_dtype>(ErlNifEnv*, Term term) {
  const auto* found = std::find(dtype_atoms.begin(), dtype_atoms.end(), term);
  if (found == dtype_atoms.end()) throw BadArgument{};
  return static_cast<nxv_dtype>(found - dtype_atoms.begin());
}

template <>
std::string decode<std::string>(ErlNifEnv* env, Term term) {
  char name[256];
  if (enif_get_atom(env, term, name, sizeof name, ERL_NIF_LATIN1) == 0) throw BadArgument{};
  return name;
}

std::string decode_text(ErlNifEnv* env, Term term) {
  constexpr size_t kLongest = 64 * 1024;
  ErlNifBinary binary;
  if (!enif_inspect_binary(env, term, &binary)) throw BadArgument{};
  if (binary.size > kLongest) {
    throw Refusal{NXV_INVALID_ARGUMENT,
                  "a name of " + std::to_string(binary.size) + " bytes is too long"};
  }
  std::string text(reinterpret_cast<const char*>(binary.data), binary.size);
  if (text.find('\0') != std::string::npos) throw BadArgument{};
  return text;
}

template <>
Operation decode<Operation>(ErlNifEnv*, Term term) {
  const auto found = std::find(op_atoms.begin(), op_atoms.end(), term);
  if (found == op_atoms.end()) throw BadArgument{};
  return {static_cast<int>(found - op_atoms.begin())};
}

template <>
Number decode<Number>(ErlNifEnv* env, Term term) {
  ErlNifSInt64 integer;
  if (enif_get_int64(env, term, &integer)) return integer;
  int arity;
  const Term* parts;
  if (enif_get_tuple(env, term, &arity, &parts) && arity == 2) {
    return ComplexNumber{decode<double>(env, parts[0]), decode<double>(env, parts[1])};
  }
  return ComplexNumber{decode<double>(env, term), 0.0};
}

template <>
Dims decode<Dims>(ErlNifEnv* env, Term term) {
  Dims dims;
  for_each(env, term, [&](Term head) { dims.push_back(decode<int64_t>(env, head)); });
  return dims;
}

template <>
std::optional<Dims> decode<std::optional<Dims>>(ErlNifEnv* env, Term term) {
  if (term == atoms.nil) return std::nullopt;
  return decode<Dims>(env, term);
}

template <>
std::optional<int64_t> decode<std::optional<int64_t>>(ErlNifEnv* env, Term term) {
  if (term == atoms.nil) return std::nullopt;
  return decode<int64_t>(env, term);
}

}  // namespace nxv::nif
