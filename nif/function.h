// The one wrapper around every NIF: decodes the arguments by the C++ signature and lets no
// exception out, for an exception that leaves a NIF ends the VM.
#pragma once

#include <algorithm>
#include <chrono>
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

// Charges what a call takes to the process that makes it. The VM gives a process some thousand
// calls before others have their turn, which it takes Elixir about kSlice to make, and us a hundred
// times as long.
class Charge {
 public:
  explicit Charge(ErlNifEnv* env) noexcept : env_(env), start_(Clock::now()) {}
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;
  ~Charge() {
    static thread_local std::chrono::nanoseconds owed{0};  // less than what can be charged
    owed += Clock::now() - start_;
    const auto percent = owed / kPercent;
    if (percent == 0) return;
    owed -= percent * kPercent;
    enif_consume_timeslice(env_, static_cast<int>(std::min<decltype(percent)>(percent, 100)));
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::nanoseconds kSlice = std::chrono::microseconds(20);
  static constexpr std::chrono::nanoseconds kPercent = kSlice / 100;

  ErlNifEnv* env_;
  Clock::time_point start_;
};

// Flags of a function: it waits on the device, or it computes for long.
inline constexpr unsigned kWaits = ERL_NIF_DIRTY_JOB_IO_BOUND;
inline constexpr unsigned kComputes = ERL_NIF_DIRTY_JOB_CPU_BOUND;

template <auto F>
struct Wrapped;

template <typename... Args, Term (*F)(ErlNifEnv*, Args...)>
struct Wrapped<F> {
  static constexpr unsigned kArity = sizeof...(Args);

  static Term call(ErlNifEnv* env, int, const Term argv[]) noexcept {
    return guarded(env, [&] { return apply(env, argv, std::index_sequence_for<Args...>{}); });
  }

  // On an ordinary scheduler, unless the arguments take long.
  static Term call_or_move(ErlNifEnv* env, int count, const Term argv[]) noexcept {
    const Charge charge(env);
    if (std::any_of(argv, argv + count, [&](Term term) { return is_long(env, term); })) {
      return enif_schedule_nif(env, "call_of_long_lists", static_cast<int>(kComputes), &call, count,
                               argv);
    }
    return call(env, count, argv);
  }

 private:
  template <size_t... I>
  static Term apply(ErlNifEnv* env, [[maybe_unused]] const Term* argv, std::index_sequence<I...>) {
    return F(env, decode<std::remove_cvref_t<Args>>(env, argv[I])...);
  }
};

// A row of a function table.
template <auto F>
constexpr ErlNifFunc function(const char* name, unsigned flags = 0) {
  using Function = Wrapped<F>;
  return {name, Function::kArity, flags == 0 ? &Function::call_or_move : &Function::call, flags};
}

}  // namespace nxv::nif
