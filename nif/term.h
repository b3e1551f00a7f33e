// Erlang terms to C++ values and back.
#pragma once

#include <erl_nif.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "nxv/nxv.h"

namespace nxv::nif {

using Term = ERL_NIF_TERM;
using Dims = std::vector<int64_t>;

// Ends a call with badarg: a term of a kind that Nx.Vulkan.Native never sends.
struct BadArgument {};

// Ends a call with an ArgumentError that says so: a reference to nothing of this VM. It came from
// another one, or from the disk.
struct ForeignReference {};

// Ends a call with {error, Reason, Message}.
struct Refusal {
  nxv_status status;
  std::string message;
};

// Throws the calling thread's last failure unless `status` is NXV_OK.
void check(nxv_status status);

// Atoms that calls answer with; created once, when the library is loaded.
struct Atoms {
  Term ok, error, pressure, nil, yes, no, nan, infinity, neg_infinity;
};
extern Atoms atoms;
void load_atoms(ErlNifEnv* env);

Term make_atom(ErlNifEnv* env, const char* name);
Term make_binary(ErlNifEnv* env, std::string_view bytes);
Term make_bool(bool value);
Term make_dtype(nxv_dtype type);
Term make_error(ErlNifEnv* env, nxv_status status, std::string_view message);
Term raise_foreign_reference(ErlNifEnv* env);
// A tuple.
Term make_shape(ErlNifEnv* env, const int64_t* dims, int rank);
// A map with atom keys, all different.
Term make_map(ErlNifEnv* env, std::initializer_list<std::pair<const char*, Term>> entries);

// An operation, from the atom of its name.
struct Operation {
  int index;
};

struct ComplexNumber {
  double real, imag;
};
// A number, {Re, Im}, or one of the atoms nan, infinity and neg_infinity.
using Number = std::variant<int64_t, ComplexNumber>;

// An argument taken as it is.
struct AnyTerm {
  Term term;
};

// decode<T>(env, term): the value, or BadArgument. Resources are decoded in resource.h.
template <typename T>
T decode(ErlNifEnv* env, Term term);

template <>
AnyTerm decode<AnyTerm>(ErlNifEnv* env, Term term);
template <>
int decode<int>(ErlNifEnv* env, Term term);
template <>
int64_t decode<int64_t>(ErlNifEnv* env, Term term);
template <>
uint64_t decode<uint64_t>(ErlNifEnv* env, Term term);
template <>
bool decode<bool>(ErlNifEnv* env, Term term);
template <>
double decode<double>(ErlNifEnv* env, Term term);
template <>
nxv_dtype decode<nxv_dtype>(ErlNifEnv* env, Term term);
template <>
std::string decode<std::string>(ErlNifEnv* env, Term term);  // an atom's name
template <>
Operation decode<Operation>(ErlNifEnv* env, Term term);
template <>
Number decode<Number>(ErlNifEnv* env, Term term);
template <>
Dims decode<Dims>(ErlNifEnv* env, Term term);
// nil is nothing.
template <>
std::optional<Dims> decode<std::optional<Dims>>(ErlNifEnv* env, Term term);
template <>
std::optional<int64_t> decode<std::optional<int64_t>>(ErlNifEnv* env, Term term);

// The bytes of a binary, at most 64 KiB; none of them is zero.
std::string decode_text(ErlNifEnv* env, Term term);

struct FreeText {
  void operator()(char* text) const noexcept { nxv_free_text(text); }
};

// {ok, Text} from a function that allocates it.
template <typename Describe>
Term make_text(ErlNifEnv* env, Describe describe) {
  char* raw = nullptr;
  check(describe(&raw));
  const std::unique_ptr<char, FreeText> text(raw);
  return enif_make_tuple2(env, atoms.ok, make_binary(env, text.get()));
}

// Whether a term has more than a thousand elements of lists, those of lists inside of it included:
// what takes longer to decode than an ordinary scheduler should be kept for. Looks at no more.
bool is_long(ErlNifEnv* env, Term term);

// Elements of a list, each handed to `visit`.
template <typename Visit>
void for_each(ErlNifEnv* env, Term list, Visit visit) {
  Term head;
  while (enif_get_list_cell(env, list, &head, &list)) visit(head);
  if (!enif_is_empty_list(env, list)) throw BadArgument{};
}

}  // namespace nxv::nif
