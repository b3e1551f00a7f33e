#include "vulkan/queue.h"

#include <algorithm>
#include <cstring>
#include <list>
#include <optional>

#include "base/counter.h"
#include "vulkan/command_slot.h"
#include "vulkan/hazards.h"
#include "vulkan/slab.h"
#include "vulkan/timeline.h"

namespace nxv::vulkan {
namespace {

constexpr size_t kMaxSlots = 64;                // submissions in flight at most
constexpr uint64_t kParameterBytes = 64 << 10;  // of a parameter block
constexpr uint32_t kMaxTimed = 1024;            // timed commands in a command buffer
// Accesses to remember between barriers: a barrier is cheaper than comparing more.
constexpr size_t kMaxTracked = 2048;

constexpr VkPipelineStageFlags kDispatch = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
constexpr VkPipelineStageFlags kTransfer = VK_PIPELINE_STAGE_TRANSFER_BIT;
constexpr VkPipelineStageFlags kWorkStages = kDispatch | kTransfer;
// Where numbers of workgroups are read from memory.
constexpr VkPipelineStageFlags kIndirect = VK_PIPELINE_STAGE_DRAW_INDIRECT_BIT;

VkAccessFlags writes_of(VkPipelineStageFlags stages) {
  return ((stages & kDispatch) ? VK_ACCESS_SHADER_WRITE_BIT : 0) |
         ((stages & kTransfer) ? VK_ACCESS_TRANSFER_WRITE_BIT : 0);
}
VkAccessFlags reads_of(VkPipelineStageFlags stages) {
  return ((stages & kDispatch) ? VK_ACCESS_SHADER_READ_BIT : 0) |
         ((stages & kTransfer) ? VK_ACCESS_TRANSFER_READ_BIT : 0) |
         ((stages & kIndirect) ? VK_ACCESS_INDIRECT_COMMAND_READ_BIT : 0);
}

}  // namespace

struct Queue::Impl {
  Impl(Context& c, MemoryPool& m, const plan::DevicePlan& p, bool check)
      : context(c),
        vk(c.vk()),
        memory(m),
        plan(p),
        checking(check),
        timeline(c, p.tuning.poll_microseconds) {}
  ~Impl();

  void throw_if_failed() {
    if (!timeline.failed()) return;
    const Failure f = timeline.failure();
    throw_failure(f);
  }
  // Calls what may want memory of the driver; once more where that had none and some was made.
  template <class F>
  void with_room(F&& body);
  // The queue fails, and so does the caller. What was submitted still completes, unless the device
  // is lost itself.
  [[noreturn]] void lose(const Error& error, const char* what);

  void open();
  void ensure_open();
  void barrier(VkPipelineStageFlags next);
  void require(VkPipelineStageFlags stage, std::span<const Access> reads,
               std::span<const Access> writes, const char* name);
  bool is_hazard(std::span<const Access> reads, std::span<const Access> writes) const;
  std::span<const std::byte> with_texels(const Dispatch& d, const Pipeline& kernel);
  void push_texels(const Dispatch& d, const Pipeline& kernel);
  uint64_t parameters(std::span<const std::byte> bytes);
  void begin_timing(const char* name);
  void end_timing();
  uint64_t finish_command(uint64_t work);
  bool is_starving();
  uint64_t submit();
  void collect_times(CommandSlot& s) noexcept;
  void take_times(CommandSlot& s);

  Context& context;
  const Functions& vk;
  MemoryPool& memory;
  const plan::DevicePlan& plan;
  const bool checking;
  Timeline timeline;

  std::list<CommandSlot> slots;  // those that were never open, then the oldest submission first
  CommandSlot* slot = nullptr;   // being recorded: the last of slots
  uint64_t epoch = 1;            // of the open command buffer
  VkPipeline bound = VK_NULL_HANDLE;
  bool host_reads = false;  // something in the buffer writes memory that the host may read
  uint64_t work = 0;
  uint32_t commands = 0;
  std::vector<std::byte> own_parameters;  // of the dispatch at hand; keeps its capacity

  HazardTracker hazards;
  HazardChecker checker;
  // Between kernels alone a barrier says nothing of transfers: that is cheaper on some devices.
  VkPipelineStageFlags used = 0;   // by commands since the last barrier
  VkPipelineStageFlags ready = 0;  // that the last barrier lets go on
  uint64_t interval = 1;  // counts barriers; blocks remember the interval that last touched them

  bool profiling = false;  // submissions are timed
  bool timing = false;     // commands, too
  uint32_t label = 0;
  std::vector<KernelTime> times;
  std::vector<SubmissionTime> submissions;
  std::chrono::nanoseconds submitting{0};
  // The device's clock: its last reading, and nanoseconds since the first.
  std::optional<uint64_t> last_tick;
  double clock = 0;
  struct {
    Counter submissions, commands, barriers;
  } stats;
};

template <class F>
void Queue::Impl::with_room(F&& body) {
  try {
    return body();
  } catch (const Error& e) {
    if (e.status() != Status::alloc_failed) throw;
  }
  // The driver gives up what the device is done with.
  timeline.wait(timeline.submitted());
  memory.trim();
  body();
}

void Queue::Impl::lose(const Error& error, const char* what) {
  const bool is_lost = error.status() == Status::device_lost;
  const Error failure(Status::device_lost,
                      is_lost ? error.what() : what + std::string(error.what()));
  timeline.fail(failure_of(failure), is_lost);
  throw failure;
}

Queue::Impl::~Impl() {
  // Not through the hook: an injected failure must not let us destroy what is in use.
  vk.DeviceWaitIdle.unhooked(context.device);
  timeline.completed();
}

// Nothing is lost when this fails: nothing has been recorded.
void Queue::Impl::ensure_open() {
  throw_if_failed();
  if (slot != nullptr) return;
  try {
    with_room([&] { open(); });
  } catch (const Error& e) {
    if (e.status() == Status::alloc_failed) throw;
    throw_if_failed();
    lose(e, "no commands can be recorded: ");
  }
}

// The oldest slot if the device is done with it, else a new one.
void Queue::Impl::open() {
  if (slots.size() >= kMaxSlots) {
    if (const Failure f = timeline.wait(slots.front().epoch)) throw_failure(f);
  }
  if (slots.empty() || slots.front().epoch > timeline.completed()) {
    throw_if_failed();
    slots.emplace_front(context);
  }
  CommandSlot& s = slots.front();
  collect_times(s);
  s.begin(timing ? 2 * kMaxTimed : 0);
  if (checking) checker.reset();
  s.epoch = epoch;
  slots.splice(slots.end(), slots, slots.begin());
  slot = &s;
  bound = VK_NULL_HANDLE;
  host_reads = false;
  work = 0;
  commands = 0;
  used = 0;
  barrier(kWorkStages);
}

// Parts what was recorded from commands of the stages `next`.
void Queue::Impl::barrier(VkPipelineStageFlags next) {
  const VkPipelineStageFlags before = used != 0 ? used : kWorkStages;
  VkMemoryBarrier all{};
  all.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
  all.srcAccessMask = writes_of(before);
  all.dstAccessMask = reads_of(next) | writes_of(next);
  vk.CmdPipelineBarrier(slot->buffer, before, next, 0, 1, &all, 0, nullptr, 0, nullptr);
  used = 0;
  ready = next;
  hazards.barrier();
  ++interval;
  if (checking) checker.barrier();
}

bool Queue::Impl::is_hazard(std::span<const Access> reads, std::span<const Access> writes) const {
  // A block that nothing has touched since the last barrier cannot conflict: blocks do not overlap,
  // and one made of the memory of others inherits their marks.
  for (const Access& a : reads) {
    if (a.block->touched_ == interval &&
        hazards.reads_conflict({a.block->address_ + a.begin, a.block->address_ + a.end})) {
      return true;
    }
  }
  for (const Access& a : writes) {
    if (a.block->touched_ == interval &&
        hazards.writes_conflict({a.block->address_ + a.begin, a.block->address_ + a.end})) {
      return true;
    }
  }
  return hazards.size() > kMaxTracked;
}

// Notes the accesses of the next command, after a barrier if one is needed.
void Queue::Impl::require(VkPipelineStageFlags stage, std::span<const Access> reads,
                          std::span<const Access> writes, const char* name) {
  if (checking) {
    for (const auto list : {reads, writes}) {
      for (const Access& a : list) {
        if (a.begin > a.end || a.end > a.block->capacity_) {
          throw Error(Status::internal, std::string("command '") + name + "' claims bytes " +
                                            std::to_string(a.begin) + " to " +
                                            std::to_string(a.end) + " of a block of " +
                                            std::to_string(a.block->capacity_));
        }
      }
    }
  }
  if (is_hazard(reads, writes) || (ready & stage) != stage) {
    barrier(stage == kTransfer ? kWorkStages : stage);
    ++stats.barriers;
  }
  used |= stage;
  const auto note = [&](const Access& a) {
    a.block->touched_ = interval;
    a.block->last_use_.store(epoch, std::memory_order_release);
    return Range{a.block->address_ + a.begin, a.block->address_ + a.end};
  };
  for (const Access& a : reads) hazards.add_read(note(a));
  for (const Access& a : writes) {
    hazards.add_write(note(a));
    host_reads |= a.block->host_ != nullptr;
  }
  if (checking) {
    std::vector<Range> r, w;
    for (const Access& a : reads) r.push_back(note(a));
    for (const Access& a : writes) w.push_back(note(a));
    checker.command(name, r, w);
  }
}

// The parameters with the first texel of each buffer that is read through a texel view in place of
// its address.
std::span<const std::byte> Queue::Impl::with_texels(const Dispatch& d, const Pipeline& kernel) {
  if (kernel.texels().empty()) return d.parameters;
  own_parameters.assign(d.parameters.begin(), d.parameters.end());
  for (const TexelBuffer& t : kernel.texels()) {
    if (t.buffer >= d.buffers.size() || t.offset + sizeof(uint64_t) > own_parameters.size()) {
      throw Error(Status::internal, "kernel '" + kernel.name() + "' reads buffer " +
                                        std::to_string(t.buffer) +
                                        " through a texel view, and was not given it");
    }
    const uint64_t first = d.buffers[t.buffer]->offset_ / 16;
    std::memcpy(own_parameters.data() + t.offset, &first, sizeof first);
  }
  return own_parameters;
}

void Queue::Impl::push_texels(const Dispatch& d, const Pipeline& kernel) {
  if (kernel.texels().empty()) return;
  std::array<VkWriteDescriptorSet, kMaxTexelBuffers> writes{};
  uint32_t count = 0;
  for (const TexelBuffer& t : kernel.texels()) {
    VkWriteDescriptorSet& w = writes[count];
    w.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET;
    w.dstBinding = count++;
    w.descriptorCount = 1;
    w.descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER;
    w.pTexelBufferView = &d.buffers[t.buffer]->slab_->texels;
  }
  vk.CmdPushDescriptorSetKHR(slot->buffer, VK_PIPELINE_BIND_POINT_COMPUTE, context.layout, 0, count,
                             writes.data());
}

// Copies the bytes to memory that lives until the epoch retires; its address.
uint64_t Queue::Impl::parameters(std::span<const std::byte> bytes) {
  const uint64_t size = (bytes.size() + 15) / 16 * 16;
  for (;;) {
    ensure_open();
    auto& blocks = slot->parameter_blocks;
    for (; slot->parameter_block < blocks.size(); ++slot->parameter_block) {
      if (slot->parameter_used + size <= blocks[slot->parameter_block]->capacity()) break;
      slot->parameter_used = 0;
    }
    if (slot->parameter_block < blocks.size()) break;
    // At its budget the pool submits what is open; then there is another slot to fill.
    BlockRef block = memory.allocate(std::max(size, kParameterBytes), Use::parameters);
    ensure_open();
    slot->parameter_blocks.push_back(std::move(block));
  }
  Block& block = *slot->parameter_blocks[slot->parameter_block];
  const uint64_t at = slot->parameter_used;
  std::memcpy(block.host() + at, bytes.data(), bytes.size());
  block.last_use_.store(epoch, std::memory_order_release);
  slot->parameter_used += size;
  return block.address() + at;
}

void Queue::Impl::begin_timing(const char* name) {
  if (!timing) return;
  const auto query = static_cast<uint32_t>(2 * slot->timed.size());
  slot->timed.push_back({name, 0, 0, label, epoch});
  vk.CmdWriteTimestamp(slot->buffer, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, slot->queries, query);
}

void Queue::Impl::end_timing() {
  if (!timing) return;
  const auto query = static_cast<uint32_t>(2 * slot->timed.size() - 1);
  vk.CmdWriteTimestamp(slot->buffer, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, slot->queries, query);
}

// Times that the driver, or the host, has no memory for are left out.
void Queue::Impl::collect_times(CommandSlot& s) noexcept {
  if (s.timed.empty()) return;
  try {
    take_times(s);
  } catch (const std::exception&) {
    // Of a lost device everybody else learns, too.
  }
  s.timed.clear();
}

void Queue::Impl::take_times(CommandSlot& s) {
  std::vector<uint64_t> ticks(2 * s.timed.size());
  checked(vk.GetQueryPoolResults, context.device, s.queries, 0u,
          static_cast<uint32_t>(ticks.size()), ticks.size() * sizeof(uint64_t),
          static_cast<void*>(ticks.data()), VkDeviceSize{sizeof(uint64_t)},
          VkQueryResultFlags{VK_QUERY_RESULT_64_BIT});
  const double period = context.snapshot.limits.timestamp_period_ns;
  // Clocks of few bits begin again; one that seems to have gone back has not moved.
  const uint32_t bits = std::clamp(context.snapshot.limits.timestamp_bits, 1u, 64u);
  const uint64_t mask = ~uint64_t{0} >> (64 - bits);
  const auto since = [&](uint64_t from, uint64_t to) {
    const uint64_t elapsed = (to - from) & mask;
    return elapsed > mask / 2 ? 0 : static_cast<double>(elapsed) * period;
  };
  for (size_t i = 0; i < s.timed.size(); ++i) {
    const uint64_t begin = ticks[2 * i];
    clock += since(last_tick.value_or(begin), begin);
    last_tick = begin;
    KernelTime& time = times.emplace_back(std::move(s.timed[i]));
    time.begin = clock;
    time.nanoseconds = since(begin, ticks[2 * i + 1]);
  }
}

uint64_t Queue::Impl::finish_command(uint64_t estimate) {
  ++stats.commands;
  ++commands;
  work += estimate;
  const uint64_t mine = epoch;
  if (work >= plan.tuning.submit_work || commands >= plan.tuning.submit_dispatches ||
      slot->timed.size() >= kMaxTimed || is_starving()) {
    submit();
  }
  return mine;
}

// The device works on the last submission, or on none, while commands wait here.
bool Queue::Impl::is_starving() {
  return plan.tuning.submit_early != 0 && commands % plan.tuning.submit_early == 0 &&
         timeline.completed() + 2 >= epoch;
}

uint64_t Queue::Impl::submit() {
  throw_if_failed();
  if (slot == nullptr) return epoch - 1;
  std::chrono::steady_clock::time_point begin;
  if (profiling) {
    begin = std::chrono::steady_clock::now();
    submissions.push_back({epoch, begin, begin});
  }
  const gate::Passage passage;  // so that what was submitted is known when the gate is closed
  if (checking) {
    const std::string violation = checker.find_violation();
    if (!violation.empty()) {
      timeline.fail({Status::internal, "missing barrier: " + violation}, false);
      throw_if_failed();
    }
  }
  if (host_reads) {
    VkMemoryBarrier to_host{};
    to_host.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
    to_host.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    to_host.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
    vk.CmdPipelineBarrier(slot->buffer, kWorkStages, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &to_host, 0,
                          nullptr, 0, nullptr);
  }
  const VkSemaphore semaphore = timeline.semaphore();
  VkTimelineSemaphoreSubmitInfo values{};
  values.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO;
  values.signalSemaphoreValueCount = 1;
  values.pSignalSemaphoreValues = &epoch;
  VkSubmitInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
  info.pNext = &values;
  info.commandBufferCount = 1;
  info.pCommandBuffers = &slot->buffer;
  info.signalSemaphoreCount = 1;
  info.pSignalSemaphores = &semaphore;
  try {
    checked(vk.EndCommandBuffer, slot->buffer);
    timeline.set_submitting(epoch);
    // Where there was no memory for it, everything is as it was before.
    with_room([&] { checked(vk.QueueSubmit, context.queue, 1u, &info, VkFence{VK_NULL_HANDLE}); });
  } catch (const Error& e) {
    lose(e, "commands that were recorded are lost: ");
  }
  ++stats.submissions;  // before anybody can be told of the epoch
  timeline.set_submitted(epoch);
  if (profiling) {
    submissions.back().end = std::chrono::steady_clock::now();
    submitting += submissions.back().end - begin;
  }
  slot = nullptr;
  return epoch++;
}

Queue::Queue(Context& context, MemoryPool& memory, const plan::DevicePlan& plan, bool check_hazards)
    : impl_(std::make_unique<Impl>(context, memory, plan, check_hazards)) {}

Queue::~Queue() = default;

uint64_t Queue::dispatch(const Dispatch& d) {
  Impl& q = *impl_;
  const Pipeline& kernel = d.kernel->get();
  for (const uint32_t n : d.groups) {
    if (n == 0 || n > q.plan.max_group_count) {
      throw Error(Status::internal, "kernel '" + kernel.name() + "': a grid of " +
                                        std::to_string(d.groups[0]) + " x " +
                                        std::to_string(d.groups[1]) + " x " +
                                        std::to_string(d.groups[2]) + " workgroups is not valid");
    }
  }
  uint64_t address = 0;
  std::span<const std::byte> push = q.with_texels(d, kernel);
  if (push.size() > q.plan.push_bytes) {
    address = q.parameters(push);
    push = std::as_bytes(std::span(&address, 1));
  }
  if (push.size() != kernel.push_bytes()) {
    throw Error(Status::internal,
                "kernel '" + kernel.name() + "' takes " + std::to_string(kernel.push_bytes()) +
                    " bytes of push constants, not " + std::to_string(push.size()));
  }
  q.ensure_open();
  q.require(d.indirect ? kDispatch | kIndirect : kDispatch, d.reads, d.writes,
            kernel.name().c_str());
  const gate::Passage passage;  // one for the calls below
  const VkCommandBuffer buffer = q.slot->buffer;
  const auto pipeline = reinterpret_cast<VkPipeline>(kernel.pipeline());
  if (pipeline != q.bound) {
    q.vk.CmdBindPipeline(buffer, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    q.bound = pipeline;
  }
  if (!push.empty()) {
    q.vk.CmdPushConstants(buffer, q.context.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                          static_cast<uint32_t>(push.size()), push.data());
  }
  q.push_texels(d, kernel);
  q.begin_timing(kernel.name().c_str());
  if (d.indirect) {
    q.vk.CmdDispatchIndirect(buffer, d.indirect->slab_->buffer,
                             d.indirect->offset_ + d.indirect_offset);
  } else {
    q.vk.CmdDispatch(buffer, d.groups[0], d.groups[1], d.groups[2]);
  }
  q.end_timing();
  return q.finish_command(d.work);
}

uint64_t Queue::copy(Block& from, uint64_t from_offset, Block& to, uint64_t to_offset,
                     uint64_t bytes) {
  Impl& q = *impl_;
  if (bytes == 0) return q.epoch - 1;
  q.ensure_open();
  const Access read(from, from_offset, from_offset + bytes);
  const Access write(to, to_offset, to_offset + bytes);
  q.require(kTransfer, {&read, 1}, {&write, 1}, "copy");
  const VkBufferCopy region{from.offset_ + from_offset, to.offset_ + to_offset, bytes};
  q.begin_timing("copy");
  q.vk.CmdCopyBuffer(q.slot->buffer, from.slab_->buffer, to.slab_->buffer, 1, &region);
  q.end_timing();
  return q.finish_command(bytes / 4);
}

uint64_t Queue::fill(Block& to, uint64_t offset, uint64_t bytes, uint32_t value) {
  Impl& q = *impl_;
  if (bytes == 0) return q.epoch - 1;
  q.ensure_open();
  const Access write(to, offset, offset + bytes);
  q.require(kTransfer, {}, {&write, 1}, "fill");
  q.begin_timing("fill");
  q.vk.CmdFillBuffer(q.slot->buffer, to.slab_->buffer, to.offset_ + offset, bytes, value);
  q.end_timing();
  return q.finish_command(bytes / 4);
}

void Queue::trim() {
  for (CommandSlot& slot : impl_->slots) {
    const bool is_open = &slot == impl_->slot;
    if (!is_open && slot.epoch > impl_->timeline.completed()) continue;
    // Of the one that is being recorded those behind the block at hand.
    const bool is_filled = is_open && (slot.parameter_block > 0 || slot.parameter_used > 0);
    const size_t kept = is_filled ? slot.parameter_block + 1 : 0;
    if (kept < slot.parameter_blocks.size()) slot.parameter_blocks.resize(kept);
  }
}

uint64_t Queue::submit() { return impl_->submit(); }
uint64_t Queue::open_epoch() const { return impl_->epoch; }

void Queue::set_profiling(bool on) {
  Impl& q = *impl_;
  if (on == q.profiling) return;
  q.submit();
  q.profiling = on;
  q.timing = on && q.plan.has.timestamps;
  q.label = 0;
  q.submissions.clear();
  q.submitting = {};
  q.last_tick.reset();
  q.clock = 0;
}

void Queue::set_label(uint32_t label) { impl_->label = label; }

std::vector<SubmissionTime> Queue::take_submissions() {
  return std::exchange(impl_->submissions, {});
}

std::chrono::nanoseconds Queue::submitting() const { return impl_->submitting; }

std::vector<KernelTime> Queue::take_profile() {
  Impl& q = *impl_;
  const uint64_t completed = q.timeline.completed();
  q.throw_if_failed();
  for (CommandSlot& s : q.slots) {
    if (&s != q.slot && s.epoch <= completed) q.collect_times(s);
  }
  return std::exchange(q.times, {});
}

Queue::Stats Queue::stats() const {
  return {impl_->stats.submissions, impl_->stats.commands, impl_->stats.barriers};
}
uint64_t Queue::completed() { return impl_->timeline.completed(); }
Failure Queue::wait(uint64_t epoch) { return impl_->timeline.wait(epoch); }
void Queue::on_complete(uint64_t epoch, Completion&& done) {
  impl_->timeline.on_complete(epoch, std::move(done));
}
Failure Queue::failure() const { return impl_->timeline.failure(); }

}  // namespace nxv::vulkan
