#include "vulkan/transfer.h"

#include <algorithm>
#include <cstring>
#include <deque>

namespace nxv::vulkan {
namespace {

// Bytes that the host reads in place however slowly it does: a copy would take as long.
constexpr uint64_t kFewBytes = 4096;

void wait(Queue& queue, uint64_t epoch) {
  if (const Failure f = queue.wait(epoch)) throw_failure(f);
}

}  // namespace

BlockRef Transfers::allocate_for_upload(uint64_t size) {
  return memory_.allocate(size, plan_.use_staging ? Use::device : Use::upload);
}

void Transfers::upload(std::span<const std::byte> from, Block& to, uint64_t offset) {
  if (from.empty()) return;
  if (to.host() != nullptr && to.use() != Use::readback && to.last_use() <= queue_.completed()) {
    std::memcpy(to.host() + offset, from.data(), from.size());
    return;
  }
  const uint64_t chunk = plan_.staging_chunk_bytes;
  const uint64_t in_flight = std::max<uint64_t>(plan_.staging_bytes / chunk, 1);
  std::deque<uint64_t> epochs;
  for (uint64_t at = 0; at < from.size(); at += chunk) {
    const uint64_t bytes = std::min<uint64_t>(chunk, from.size() - at);
    if (epochs.size() >= in_flight) {
      wait(queue_, epochs.front());
      epochs.pop_front();
    }
    const BlockRef staging = memory_.allocate(bytes, Use::upload);
    std::memcpy(staging->host(), from.data() + at, bytes);
    queue_.copy(*staging, 0, to, offset + at, bytes);
    // The device copies this chunk while the host fills the next one.
    if (from.size() > chunk) epochs.push_back(queue_.submit());
  }
}

Readback Transfers::read(const BlockRef& from, uint64_t offset, uint64_t size) {
  if (size == 0) return {from, nullptr, 0, 0};
  const bool is_readable = !plan_.use_staging || from->use() == Use::readback;
  if (is_readable && from->host() != nullptr && (from->is_read_well() || size <= kFewBytes)) {
    return {from, from->host() + offset, size, from->last_use()};
  }
  BlockRef staging = memory_.allocate(size, Use::readback);
  const uint64_t epoch = queue_.copy(*from, offset, *staging, 0, size);
  const std::byte* bytes = staging->host();
  return {std::move(staging), bytes, size, epoch};
}

void Transfers::finish(const Readback& read) {
  queue_.submit();
  wait(queue_, read.epoch);
}

void Transfers::download(const BlockRef& from, uint64_t offset, std::span<std::byte> to) {
  // Enough chunks in flight that the device copies one while the host empties another.
  std::deque<std::pair<Readback, uint64_t>> reads;
  const auto take_oldest = [&] {
    const auto& [r, at] = reads.front();
    wait(queue_, r.epoch);
    std::memcpy(to.data() + at, r.bytes, r.size);
    reads.pop_front();
  };
  const bool is_in_place = from->host() != nullptr && from->is_read_well();
  const uint64_t chunk = is_in_place ? to.size() : plan_.staging_chunk_bytes;
  const uint64_t in_flight = std::max<uint64_t>(plan_.staging_bytes / plan_.staging_chunk_bytes, 1);
  for (uint64_t at = 0; at < to.size(); at += chunk) {
    if (reads.size() >= in_flight) take_oldest();
    const uint64_t bytes = std::min<uint64_t>(chunk, to.size() - at);
    reads.emplace_back(read(from, offset + at, bytes), at);
    queue_.submit();
  }
  while (!reads.empty()) take_oldest();
}

}  // namespace nxv::vulkan
