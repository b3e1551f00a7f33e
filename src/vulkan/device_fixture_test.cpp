#include "vulkan/device_fixture_test.h"

namespace nxv::vulkan {

std::unique_ptr<Device> open_or_null(const DeviceOptions& options) {
  try {
    [[maybe_unused]] static Device* volatile keeps_driver = Device::open(test_options()).release();
    return Device::open(options);
  } catch (const Error& e) {
    if (e.status() != Status::no_device && e.status() != Status::unsupported) throw;
    std::fprintf(stderr, "SKIPPED: %s\n", e.what());
    return nullptr;
  }
}

ShaderModule add_module(bool indirect, uint32_t shared_bytes) {
  const std::string header = R"(
    OpCapability Shader
    OpCapability PhysicalStorageBufferAddresses
    OpCapability Int64
    OpExtension "SPV_KHR_physical_storage_buffer"
    OpMemoryModel PhysicalStorageBuffer64 GLSL450
    OpEntryPoint GLCompute %main "main" %id %push)" +
                             std::string(shared_bytes ? " %shared" : "") + R"(
    OpExecutionMode %main LocalSize 64 1 1
    OpDecorate %id BuiltIn GlobalInvocationId
    OpDecorate %p Block
    OpMemberDecorate %p 0 Offset 0
    OpMemberDecorate %p 1 Offset 8
    OpMemberDecorate %p 2 Offset 16
    OpMemberDecorate %p 3 Offset 20
    OpDecorate %words Block
    OpMemberDecorate %words 0 Offset 0
    OpDecorate %array ArrayStride 4
)" +
                             (indirect ? R"(
    OpDecorate %block Block
    OpMemberDecorate %block 0 Offset 0
)"
                                       : "") +
                             R"(
    %void = OpTypeVoid
    %fn = OpTypeFunction %void
    %u32 = OpTypeInt 32 0
    %u64 = OpTypeInt 64 0
    %bool = OpTypeBool
    %v3 = OpTypeVector %u32 3
    %in_v3 = OpTypePointer Input %v3
    %in_u32 = OpTypePointer Input %u32
    %id = OpVariable %in_v3 Input
    %c0 = OpConstant %u32 0
    %c1 = OpConstant %u32 1
    %c2 = OpConstant %u32 2
    %c3 = OpConstant %u32 3
    %p = OpTypeStruct %u64 %u64 %u32 %u32
    %array = OpTypeRuntimeArray %u32
    %words = OpTypeStruct %array
    %words_ptr = OpTypePointer PhysicalStorageBuffer %words
    %word_ptr = OpTypePointer PhysicalStorageBuffer %u32
)";
  const std::string parameters = indirect ? R"(
    %block = OpTypeStruct %u64
    %push_ptr = OpTypePointer PushConstant %block
    %push_u64 = OpTypePointer PushConstant %u64
    %p_ptr = OpTypePointer PhysicalStorageBuffer %p
    %p_u64 = OpTypePointer PhysicalStorageBuffer %u64
    %p_u32 = OpTypePointer PhysicalStorageBuffer %u32
    %push = OpVariable %push_ptr PushConstant
)"
                                          : R"(
    %push_ptr = OpTypePointer PushConstant %p
    %p_u64 = OpTypePointer PushConstant %u64
    %p_u32 = OpTypePointer PushConstant %u32
    %push = OpVariable %push_ptr PushConstant
)";
  const std::string shared = shared_bytes ? R"(
    %shared_count = OpConstant %u32 )" + std::to_string(shared_bytes / 4) +
                                                R"(
    %shared_array = OpTypeArray %u32 %shared_count
    %shared_ptr = OpTypePointer Workgroup %shared_array
    %shared = OpVariable %shared_ptr Workgroup
)"
                                          : "";
  const std::string aligned8 = indirect ? " Aligned 8" : "";
  const std::string base = indirect ? "%base" : "%push";
  const std::string body = R"(
    %main = OpFunction %void None %fn
    %entry = OpLabel
)" +
                           std::string(indirect ? R"(
    %where = OpAccessChain %push_u64 %push %c0
    %address = OpLoad %u64 %where
    %base = OpConvertUToPtr %p_ptr %address
)"
                                                : "") +
                           R"(
    %x = OpAccessChain %in_u32 %id %c0
    %i = OpLoad %u32 %x
    %from_at = OpAccessChain %p_u64 )" +
                           base + R"( %c0
    %from = OpLoad %u64 %from_at)" +
                           aligned8 + R"(
    %to_at = OpAccessChain %p_u64 )" +
                           base + R"( %c1
    %to = OpLoad %u64 %to_at)" +
                           aligned8 + R"(
    %count_at = OpAccessChain %p_u32 )" +
                           base + R"( %c2
    %count = OpLoad %u32 %count_at)" +
                           (indirect ? " Aligned 4" : "") + R"(
    %addend_at = OpAccessChain %p_u32 )" +
                           base + R"( %c3
    %addend = OpLoad %u32 %addend_at)" +
                           (indirect ? " Aligned 4" : "") + R"(
    %inside = OpULessThan %bool %i %count
    OpSelectionMerge %done None
    OpBranchConditional %inside %work %done
    %work = OpLabel
    %from_ptr = OpConvertUToPtr %words_ptr %from
    %to_ptr = OpConvertUToPtr %words_ptr %to
    %source = OpAccessChain %word_ptr %from_ptr %c0 %i
    %value = OpLoad %u32 %source Aligned 4
    %sum = OpIAdd %u32 %value %addend
    %target = OpAccessChain %word_ptr %to_ptr %c0 %i
    OpStore %target %sum Aligned 4
    OpBranch %done
    %done = OpLabel
    OpReturn
    OpFunctionEnd
)";
  std::string text = header + parameters + shared + body;
  // One pointer type of u32 in storage is enough: SPIR-V forbids declaring it twice.
  if (indirect) {
    const std::string twice = "    %p_u32 = OpTypePointer PhysicalStorageBuffer %u32\n";
    text.erase(text.find(twice), twice.size());
    for (size_t at; (at = text.find("%p_u32")) != std::string::npos;) {
      text.replace(at, 6, "%word_ptr");
    }
  }
  ShaderModule m;
  m.name = "add";
  // SPIR-V 1.3 lists only inputs and outputs in the entry point's interface.
  m.words = testing::assemble(text);
  m.push_bytes = indirect ? 8 : sizeof(AddParameters);
  m.local_size[0] = kAddWorkgroup;
  m.shared_bytes = shared_bytes;
  return m;
}

}  // namespace nxv::vulkan
