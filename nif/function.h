// The one wrapper around every NIF: decodes the arguments by the C++ signature and lets no
// exception out, for an exception that leaves a NIF ends the VM.
#pragma once

#include <exception>
#include <new>
#include <type_traits>
#include <utility>

#include "resource.h"
#include "term.h"

namespace nxv::nif {

template <typename Body>
Term guarded(ErlNifEnv* env, Body body) noexcept {
  try {
    return body();
  } catch (const BadArgument&) {
    return enif_make_badarg(env);
  } catch (const ForeignReference&) {
    return raise_foreign_reference(env);
  } catch (const Refusal& failure) {
    return make_error(env, failure.status, failure.message);
  } catch (const std::bad_alloc&) {
    return make_error(env, NXV_ALLOC_FAILED, "out of host memory");
  } catch (const std::exception& e) {
    return make_error(env, NXV_INTERNAL, e.what());
  } catch (...) {
    return make_error(env, NXV_INTERNAL, "unknown exception");
  }
}

template <auto F>
struct Wrapped;

template <typename... Args, Term (*F)(ErlNifEnv*, Args...)>
struct Wrapped<F> {
  static constexpr unsigned kArity = sizeof...(Args);

  static Term call(ErlNifEnv* env, int, const Term argv[]) noexcept {
    return guarded(env, [&] { return apply(env, argv, std::index_sequence_for<Args...>{}); });
  }

 private:
  template <size_t... I>
  static Term apply(ErlNifEnv* env, [[maybe_unused]] const Term* argv, std::index_sequence<I...>) {
    return F(env, decode<std::remove_cvref_t<Args>>(env, argv[I])...);
  }
};

// Flags of a function: it waits on the device, or it computes for long.
inline constexpr unsigned kWaits = ERL_NIF_DIRTY_JOB_IO_BOUND;
inline constexpr unsigned kComputes = ERL_NIF_DIRTY_JOB_CPU_BOUND;

// A row of a function table.
template <auto F>
constexpr ErlNifFunc function(const char* name, unsigned flags = 0) {
  return {name, Wrapped<F>::kArity, &Wrapped<F>::call, flags};
}

}  // namespace nxv::nif
