#include "apps/vectoradd/kernel.h"

namespace gpunode::vectoradd {

const char* kernel_name() {
  return "gpunode_vector_add";
}

// PTX ISA 4.0 and sm_50 (first Maxwell) are the oldest that name 64-bit
// Maxwell code; a driver compiles them for any later GPU.
const char* kernel_ptx() {
  return R"(
.version 4.0
.target sm_50
.address_size 64

.visible .entry gpunode_vector_add(
    .param .u64 param_a,
    .param .u64 param_b,
    .param .u64 param_sum,
    .param .u32 param_count)
{
    .reg .pred %outside;
    .reg .u32  %index, %block, %width, %thread, %count;
    .reg .u64  %a, %b, %sum, %offset;
    .reg .f32  %x, %y, %z;

    // index = block * width + thread; threads past the end do nothing.
    ld.param.u32        %count, [param_count];
    mov.u32             %block, %ctaid.x;
    mov.u32             %width, %ntid.x;
    mov.u32             %thread, %tid.x;
    mad.lo.u32          %index, %block, %width, %thread;
    setp.ge.u32         %outside, %index, %count;
    @%outside bra       done;

    ld.param.u64        %a, [param_a];
    ld.param.u64        %b, [param_b];
    ld.param.u64        %sum, [param_sum];
    cvta.to.global.u64  %a, %a;
    cvta.to.global.u64  %b, %b;
    cvta.to.global.u64  %sum, %sum;

    mul.wide.u32        %offset, %index, 4;
    add.u64             %a, %a, %offset;
    add.u64             %b, %b, %offset;
    add.u64             %sum, %sum, %offset;

    ld.global.f32       %x, [%a];
    ld.global.f32       %y, [%b];
    add.f32             %z, %x, %y;
    st.global.f32       [%sum], %z;
done:
    ret;
}
)";
}

}  // namespace gpunode::vectoradd
