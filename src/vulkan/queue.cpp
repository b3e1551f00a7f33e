#include "vulkan/queue.h"

#include <algorithm>
#include <cstring>
#include <list>

#include "base/counter.h"
#include "vulkan/command_slot.h"
#include "vulkan/command_times.h"
#include "vulkan/hazards.h"
#include "vulkan/pace.h"
#include "vulkan/slab.h"
#include "vulkan/timeline.h"

namespace nxv::vulkan {
namespace {

constexpr size_t kMaxSlots = 64;                // submissions in flight at most
constexpr uint64_t kParameterBytes = 64 << 10;  // of a parameter block
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
        timeline(c, p.tuning.poll_microseconds),
        pace(p),
        times(c) {}
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
  // Lets what is recorded go out where so much more would make a submission too long.
  void make_room(double more);
  uint64_t finish_command(uint64_t work, double seconds);
  uint64_t record(const Dispatch& d, const Pipeline& kernel, const GroupRange& groups,
                  uint64_t part_of_work);
  uint64_t record_in_parts(const Dispatch& d, const Pipeline& kernel);
  void wait(uint64_t until);
  bool is_starving();
  uint64_t submit();

  Context& context;
  const Functions& vk;
  MemoryPool& memory;
  const plan::DevicePlan& plan;
  const bool checking;
  Timeline timeline;
  Pace pace;

  std::list<CommandSlot> slots;  // those that were never open, then the oldest submission first
  CommandSlot* slot = nullptr;   // being recorded: the last of slots
  uint64_t epoch = 1;            // of the open command buffer
  VkPipeline bound = VK_NULL_HANDLE;
  bool host_reads = false;  // something in the buffer writes memory that the host may read
  uint64_t work = 0;
  double seconds = 0;  // estimated
  uint32_t commands = 0;
  std::vector<std::byte> own_parameters;  // of the dispatch at hand; keeps its capacity

  HazardTracker hazards;
  HazardChecker checker;
  // Between kernels alone a barrier says nothing of transfers: that is cheaper on some devices.
  VkPipelineStageFlags used = 0;   // by commands since the last barrier
  VkPipelineStageFlags ready = 0;  // that the last barrier lets go on
  uint64_t interval = 1;  // counts barriers; blocks remember the interval that last touched them

  bool profiling = false;  // submissions are timed
  CommandTimes times;
  std::vector<SubmissionTime> submissions;
  std::chrono::nanoseconds submitting{0};
  struct {
    Counter submissions, commands, barriers, parts;
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
  times.collect(s);
  s.begin(times.is_on() ? 2 * CommandTimes::kMost : 0);
  if (checking) checker.reset();
  s.epoch = epoch;
  slots.splice(slots.end(), slots, slots.begin());
  slot = &s;
  bound = VK_NULL_HANDLE;
  host_reads = false;
  work = 0;
  seconds = 0;
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
    const Block& block = *d.buffers[t.buffer];
    uint64_t address = 0;
    std::memcpy(&address, own_parameters.data() + t.offset, sizeof address);
    const uint64_t first = (block.offset_ + (address - block.address_)) / 16;
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

void Queue::Impl::make_room(double more) {
  if (slot != nullptr && seconds > 0 && seconds + more > plan.tuning.submit_seconds) submit();
}

uint64_t Queue::Impl::finish_command(uint64_t estimate, double estimated_seconds) {
  ++stats.commands;
  ++commands;
  work += estimate;
  seconds += estimated_seconds;
  const uint64_t mine = epoch;
  if (work >= plan.tuning.submit_work || seconds >= plan.tuning.submit_seconds ||
      commands >= plan.tuning.submit_dispatches || slot->timed.size() >= CommandTimes::kMost ||
      is_starving()) {
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
    if (n == 0 || n > q.plan.max_group_count || d.groups[2] != 1) {
      throw Error(Status::internal, "kernel '" + kernel.name() + "': a grid of " +
                                        std::to_string(d.groups[0]) + " x " +
                                        std::to_string(d.groups[1]) + " x " +
                                        std::to_string(d.groups[2]) + " workgroups is not valid");
    }
  }
  // How many groups there will be the device alone knows: those are not parted.
  if (d.indirect == nullptr && q.pace.is_long(&kernel, d.work)) return q.record_in_parts(d, kernel);
  return q.record(d, kernel, {0, 0, d.groups[0], d.groups[1]}, d.work);
}

void Queue::Impl::wait(uint64_t until) {
  if (const Failure f = timeline.wait(until)) throw_failure(f);
}

// Parts are as workgroups of one dispatch to each other: they touch what is their own, add to what
// is all of theirs, or wait for those before them.
uint64_t Queue::Impl::record_in_parts(const Dispatch& d, const Pipeline& kernel) {
  const GridPieces grid(d.groups[0], d.groups[1]);
  const uint64_t each = std::max<uint64_t>(1, d.work / grid.count());
  uint64_t last = epoch;
  for (uint32_t first = 0; first < grid.count();) {
    const double fit = pace.most(&kernel) / pace.seconds(&kernel, each);
    const uint32_t left = grid.count() - first;
    const uint32_t many = fit < left ? std::max(1u, static_cast<uint32_t>(fit)) : left;
    if (first == 0) wait(submit());
    const auto begin = std::chrono::steady_clock::now();
    record(d, kernel, grid.from(first, many), many * each);
    last = submit();
    if (first == 0) {
      wait(last);
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
      pace.measured(kernel, many * each, took.count());
    }
    if (many < grid.count()) ++stats.parts;
    first += many;
  }
  return last;
}

uint64_t Queue::Impl::record(const Dispatch& d, const Pipeline& kernel, const GroupRange& groups,
                             uint64_t part_of_work) {
  const double estimate = pace.seconds(&kernel, part_of_work);
  make_room(estimate);
  uint64_t address = 0;
  std::span<const std::byte> push = with_texels(d, kernel);
  if (push.size() > plan.push_bytes) {
    address = parameters(push);
    push = std::as_bytes(std::span(&address, 1));
  }
  if (push.size() != kernel.push_bytes()) {
    throw Error(Status::internal,
                "kernel '" + kernel.name() + "' takes " + std::to_string(kernel.push_bytes()) +
                    " bytes of push constants, not " + std::to_string(push.size()));
  }
  ensure_open();
  require(d.indirect ? kDispatch | kIndirect : kDispatch, d.reads, d.writes, kernel.name().c_str());
  const gate::Passage passage;  // one for the calls below
  const VkCommandBuffer buffer = slot->buffer;
  const auto pipeline = reinterpret_cast<VkPipeline>(kernel.pipeline());
  if (pipeline != bound) {
    vk.CmdBindPipeline(buffer, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    bound = pipeline;
  }
  if (!push.empty()) {
    vk.CmdPushConstants(buffer, context.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                        static_cast<uint32_t>(push.size()), push.data());
  }
  push_texels(d, kernel);
  times.begin(*slot, kernel.name().c_str());
  if (d.indirect) {
    vk.CmdDispatchIndirect(buffer, d.indirect->slab_->buffer,
                           d.indirect->offset_ + d.indirect_offset);
  } else if (groups.x == 0 && groups.y == 0) {
    vk.CmdDispatch(buffer, groups.columns, groups.rows, 1);
  } else {
    vk.CmdDispatchBase(buffer, groups.x, groups.y, 0, groups.columns, groups.rows, 1);
  }
  times.end(*slot);
  return finish_command(part_of_work, estimate);
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
  q.times.begin(*q.slot, "copy");
  q.vk.CmdCopyBuffer(q.slot->buffer, from.slab_->buffer, to.slab_->buffer, 1, &region);
  q.times.end(*q.slot);
  return q.finish_command(bytes / 4, q.pace.seconds(nullptr, bytes / 4));
}

uint64_t Queue::fill(Block& to, uint64_t offset, uint64_t bytes, uint32_t value) {
  Impl& q = *impl_;
  if (bytes == 0) return q.epoch - 1;
  q.ensure_open();
  const Access write(to, offset, offset + bytes);
  q.require(kTransfer, {}, {&write, 1}, "fill");
  q.times.begin(*q.slot, "fill");
  q.vk.CmdFillBuffer(q.slot->buffer, to.slab_->buffer, to.offset_ + offset, bytes, value);
  q.times.end(*q.slot);
  return q.finish_command(bytes / 4, q.pace.seconds(nullptr, bytes / 4));
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
  q.times.start(on && q.plan.has.timestamps);
  q.submissions.clear();
  q.submitting = {};
}

void Queue::set_label(uint32_t label) { impl_->times.set_label(label); }

std::vector<SubmissionTime> Queue::take_submissions() {
  return std::exchange(impl_->submissions, {});
}

std::chrono::nanoseconds Queue::submitting() const { return impl_->submitting; }

std::vector<KernelTime> Queue::take_profile() {
  Impl& q = *impl_;
  const uint64_t completed = q.timeline.completed();
  q.throw_if_failed();
  for (CommandSlot& s : q.slots) {
    if (&s != q.slot && s.epoch <= completed) q.times.collect(s);
  }
  return q.times.take();
}

Queue::Stats Queue::stats() const {
  return {impl_->stats.submissions, impl_->stats.commands, impl_->stats.barriers,
          impl_->stats.parts};
}
uint64_t Queue::completed() { return impl_->timeline.completed(); }
Failure Queue::wait(uint64_t epoch) { return impl_->timeline.wait(epoch); }
void Queue::on_complete(uint64_t epoch, Completion&& done) {
  impl_->timeline.on_complete(epoch, std::move(done));
}
Failure Queue::failure() const { return impl_->timeline.failure(); }

}  // namespace nxv::vulkan
