// NVML's types and constants, with the layouts of the driver's library.
//
// Constants are enumerators of int where the library has enums or small
// numbers; results and enums travel as int, so that values of later drivers
// are values here too.
#pragma once

// NOLINTBEGIN(readability-identifier-naming,modernize-use-using)
// NOLINTBEGIN(modernize-avoid-c-arrays): NVML's names and layouts, in a header
// that C can read.

/// What every call returns. An int on the wire, so that codes of later drivers
/// are values of it too.
typedef int nvmlReturn_t;

enum {
  NVML_SUCCESS = 0,
  NVML_ERROR_UNINITIALIZED = 1,
  NVML_ERROR_INVALID_ARGUMENT = 2,
  NVML_ERROR_NOT_SUPPORTED = 3,
  NVML_ERROR_NO_PERMISSION = 4,
  NVML_ERROR_ALREADY_INITIALIZED = 5,
  NVML_ERROR_NOT_FOUND = 6,
  NVML_ERROR_INSUFFICIENT_SIZE = 7,
  NVML_ERROR_INSUFFICIENT_POWER = 8,
  NVML_ERROR_DRIVER_NOT_LOADED = 9,
  NVML_ERROR_TIMEOUT = 10,
  NVML_ERROR_IRQ_ISSUE = 11,
  NVML_ERROR_LIBRARY_NOT_FOUND = 12,
  NVML_ERROR_FUNCTION_NOT_FOUND = 13,
  NVML_ERROR_CORRUPTED_INFOROM = 14,
  NVML_ERROR_GPU_IS_LOST = 15,
  NVML_ERROR_RESET_REQUIRED = 16,
  NVML_ERROR_OPERATING_SYSTEM = 17,
  NVML_ERROR_LIB_RM_VERSION_MISMATCH = 18,
  NVML_ERROR_IN_USE = 19,
  NVML_ERROR_MEMORY = 20,
  NVML_ERROR_NO_DATA = 21,
  NVML_ERROR_VGPU_ECC_NOT_SUPPORTED = 22,
  NVML_ERROR_INSUFFICIENT_RESOURCES = 23,
  NVML_ERROR_FREQ_NOT_SUPPORTED = 24,
  NVML_ERROR_ARGUMENT_VERSION_MISMATCH = 25,
  NVML_ERROR_DEPRECATED = 26,
  NVML_ERROR_NOT_READY = 27,
  NVML_ERROR_GPU_NOT_FOUND = 28,
  NVML_ERROR_INVALID_STATE = 29,
  NVML_ERROR_RESET_TYPE_NOT_SUPPORTED = 30,
  NVML_ERROR_UNKNOWN = 999,
};

/// Opaque, valid between init and shutdown. A MIG device's handle is of the
/// same type as a GPU's.
typedef struct nvmlDevice_st* nvmlDevice_t;

typedef struct nvmlEventSet_st* nvmlEventSet_t;

typedef struct nvmlGpuInstance_st* nvmlGpuInstance_t;

typedef struct nvmlComputeInstance_st* nvmlComputeInstance_t;

typedef unsigned nvmlEnableState_t;  ///< 0 off, 1 on.

enum {
  NVML_DEVICE_NAME_BUFFER_SIZE = 64,
  NVML_DEVICE_NAME_V2_BUFFER_SIZE = 96,
  NVML_DEVICE_UUID_BUFFER_SIZE = 80,
  NVML_DEVICE_UUID_V2_BUFFER_SIZE = 96,
  NVML_DEVICE_SERIAL_BUFFER_SIZE = 30,
  NVML_DEVICE_PART_NUMBER_BUFFER_SIZE = 80,
  NVML_DEVICE_VBIOS_VERSION_BUFFER_SIZE = 32,
  NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE = 32,
  NVML_DEVICE_PCI_BUS_ID_BUFFER_V2_SIZE = 16,
  NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE = 80,
  NVML_SYSTEM_NVML_VERSION_BUFFER_SIZE = 80,
  NVML_GPU_FABRIC_UUID_LEN = 16,
};

/// The first member of a versioned struct: its size, with the version in the
/// top byte. A call given another value answers ARGUMENT_VERSION_MISMATCH.
#define NVML_STRUCT_VERSION(type, version) \
  ((unsigned)(sizeof(type) | ((unsigned)(version) << 24U)))

// ---- Library and system ----------------------------------------------------

enum {
  NVML_INIT_FLAG_NO_GPUS = 1,    ///< Succeed on a machine without GPUs.
  NVML_INIT_FLAG_NO_ATTACH = 2,  ///< Attach no GPU yet.
};

// ---- What a device is ------------------------------------------------------

enum {
  NVML_BRAND_UNKNOWN = 0,
  NVML_BRAND_QUADRO = 1,
  NVML_BRAND_TESLA = 2,
  NVML_BRAND_NVS = 3,
  NVML_BRAND_GRID = 4,
  NVML_BRAND_GEFORCE = 5,
  NVML_BRAND_TITAN = 6,
  NVML_BRAND_QUADRO_RTX = 12,
  NVML_BRAND_NVIDIA_RTX = 13,
  NVML_BRAND_NVIDIA = 14,
  NVML_BRAND_GEFORCE_RTX = 15,
  NVML_BRAND_TITAN_RTX = 16,
};

typedef int nvmlBrandType_t;

enum {
  NVML_DEVICE_ARCH_KEPLER = 2,
  NVML_DEVICE_ARCH_MAXWELL = 3,
  NVML_DEVICE_ARCH_PASCAL = 4,
  NVML_DEVICE_ARCH_VOLTA = 5,
  NVML_DEVICE_ARCH_TURING = 6,
  NVML_DEVICE_ARCH_AMPERE = 7,
  NVML_DEVICE_ARCH_ADA = 8,
  NVML_DEVICE_ARCH_HOPPER = 9,
  NVML_DEVICE_ARCH_BLACKWELL = 10,
};

#define NVML_DEVICE_ARCH_UNKNOWN 0xffffffffU

typedef unsigned nvmlDeviceArchitecture_t;

typedef struct nvmlPciInfo_st {
  char busIdLegacy[NVML_DEVICE_PCI_BUS_ID_BUFFER_V2_SIZE];  ///< 0000:00:1E.0
  unsigned domain;
  unsigned bus;
  unsigned device;
  unsigned pciDeviceId;     ///< Device id in the upper half, vendor 10de below.
  unsigned pciSubSystemId;  ///< Likewise.
  char busId[NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE];  ///< 00000000:00:1E.0
} nvmlPciInfo_t;

/// Without the GPU's context the driver holds: `used` includes it.
typedef struct nvmlMemory_st {
  unsigned long long total;  ///< Bytes, all three.
  unsigned long long free;
  unsigned long long used;
} nvmlMemory_t;

typedef struct nvmlMemory_v2_st {
  unsigned version;  ///< NVML_STRUCT_VERSION(nvmlMemory_v2_t, 2)
  unsigned long long total;
  unsigned long long reserved;
  unsigned long long free;
  unsigned long long used;
} nvmlMemory_v2_t;

typedef struct nvmlBAR1Memory_st {
  unsigned long long bar1Total;
  unsigned long long bar1Free;
  unsigned long long bar1Used;
} nvmlBAR1Memory_t;

// ---- MIG -------------------------------------------------------------------

enum { NVML_DEVICE_MIG_DISABLE = 0, NVML_DEVICE_MIG_ENABLE = 1 };

typedef struct nvmlDeviceAttributes_st {
  unsigned multiprocessorCount;
  unsigned sharedCopyEngineCount;
  unsigned sharedDecoderCount;
  unsigned sharedEncoderCount;
  unsigned sharedJpegCount;
  unsigned sharedOfaCount;
  unsigned gpuInstanceSliceCount;
  unsigned computeInstanceSliceCount;
  unsigned long long memorySizeMB;  ///< MiB
} nvmlDeviceAttributes_t;

/// Arguments of nvmlDeviceGetGpuInstanceProfileInfo: not the ids found in
/// nvmlGpuInstanceInfo_t::profileId.
enum {
  NVML_GPU_INSTANCE_PROFILE_1_SLICE = 0x0,
  NVML_GPU_INSTANCE_PROFILE_2_SLICE = 0x1,
  NVML_GPU_INSTANCE_PROFILE_3_SLICE = 0x2,
  NVML_GPU_INSTANCE_PROFILE_4_SLICE = 0x3,
  NVML_GPU_INSTANCE_PROFILE_7_SLICE = 0x4,
  NVML_GPU_INSTANCE_PROFILE_8_SLICE = 0x5,
  NVML_GPU_INSTANCE_PROFILE_6_SLICE = 0x6,
  NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV1 = 0x7,  ///< +me: with media engines.
  NVML_GPU_INSTANCE_PROFILE_2_SLICE_REV1 = 0x8,
  NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV2 = 0x9,  ///< Twice the memory.
  NVML_GPU_INSTANCE_PROFILE_1_SLICE_GFX = 0xA,
  NVML_GPU_INSTANCE_PROFILE_2_SLICE_GFX = 0xB,
  NVML_GPU_INSTANCE_PROFILE_4_SLICE_GFX = 0xC,
  NVML_GPU_INSTANCE_PROFILE_1_SLICE_NO_ME = 0xD,
  NVML_GPU_INSTANCE_PROFILE_2_SLICE_NO_ME = 0xE,
  NVML_GPU_INSTANCE_PROFILE_1_SLICE_ALL_ME = 0xF,
  NVML_GPU_INSTANCE_PROFILE_2_SLICE_ALL_ME = 0x10,
  NVML_GPU_INSTANCE_PROFILE_3_SLICE_GFX = 0x11,
  NVML_GPU_INSTANCE_PROFILE_COUNT = 0x12,
};

/// Bits of nvmlGpuInstanceProfileInfo_v3_t::capabilities.
enum {
  NVML_GPU_INSTANCE_PROFILE_CAPS_P2P = 1,
  NVML_GPU_INSTANCE_PROFILE_CAPS_GFX = 2,
};

enum {
  NVML_COMPUTE_INSTANCE_PROFILE_1_SLICE = 0x0,
  NVML_COMPUTE_INSTANCE_PROFILE_2_SLICE = 0x1,
  NVML_COMPUTE_INSTANCE_PROFILE_3_SLICE = 0x2,
  NVML_COMPUTE_INSTANCE_PROFILE_4_SLICE = 0x3,
  NVML_COMPUTE_INSTANCE_PROFILE_7_SLICE = 0x4,
  NVML_COMPUTE_INSTANCE_PROFILE_8_SLICE = 0x5,
  NVML_COMPUTE_INSTANCE_PROFILE_6_SLICE = 0x6,
  NVML_COMPUTE_INSTANCE_PROFILE_1_SLICE_REV1 = 0x7,
  NVML_COMPUTE_INSTANCE_PROFILE_COUNT = 0x9,
  NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED = 0x0,
};

typedef struct nvmlGpuInstancePlacement_st {
  unsigned start;  ///< Memory slice.
  unsigned size;
} nvmlGpuInstancePlacement_t;

typedef struct nvmlGpuInstanceProfileInfo_st {
  unsigned id;
  unsigned isP2pSupported;
  unsigned sliceCount;
  unsigned instanceCount;
  unsigned multiprocessorCount;
  unsigned copyEngineCount;
  unsigned decoderCount;
  unsigned encoderCount;
  unsigned jpegCount;
  unsigned ofaCount;
  unsigned long long memorySizeMB;
} nvmlGpuInstanceProfileInfo_t;

typedef struct nvmlGpuInstanceProfileInfo_v2_st {
  unsigned version;
  unsigned id;
  unsigned isP2pSupported;
  unsigned sliceCount;
  unsigned instanceCount;
  unsigned multiprocessorCount;
  unsigned copyEngineCount;
  unsigned decoderCount;
  unsigned encoderCount;
  unsigned jpegCount;
  unsigned ofaCount;
  unsigned long long memorySizeMB;
  char name[NVML_DEVICE_NAME_V2_BUFFER_SIZE];  ///< "MIG 1g.5gb"
} nvmlGpuInstanceProfileInfo_v2_t;

typedef struct nvmlGpuInstanceProfileInfo_v3_st {
  unsigned version;
  unsigned id;
  unsigned sliceCount;
  unsigned instanceCount;
  unsigned multiprocessorCount;
  unsigned copyEngineCount;
  unsigned decoderCount;
  unsigned encoderCount;
  unsigned jpegCount;
  unsigned ofaCount;
  unsigned long long memorySizeMB;
  char name[NVML_DEVICE_NAME_V2_BUFFER_SIZE];
  unsigned capabilities;
} nvmlGpuInstanceProfileInfo_v3_t;

typedef struct nvmlGpuInstanceInfo_st {
  nvmlDevice_t device;  ///< The parent GPU.
  unsigned id;
  unsigned profileId;
  nvmlGpuInstancePlacement_t placement;
} nvmlGpuInstanceInfo_t;

typedef struct nvmlComputeInstancePlacement_st {
  unsigned start;
  unsigned size;
} nvmlComputeInstancePlacement_t;

typedef struct nvmlComputeInstanceProfileInfo_st {
  unsigned id;
  unsigned sliceCount;
  unsigned instanceCount;
  unsigned multiprocessorCount;
  unsigned sharedCopyEngineCount;
  unsigned sharedDecoderCount;
  unsigned sharedEncoderCount;
  unsigned sharedJpegCount;
  unsigned sharedOfaCount;
} nvmlComputeInstanceProfileInfo_t;

typedef struct nvmlComputeInstanceInfo_st {
  nvmlDevice_t device;
  nvmlGpuInstance_t gpuInstance;
  unsigned id;
  unsigned profileId;
  nvmlComputeInstancePlacement_t placement;
} nvmlComputeInstanceInfo_t;

// ---- Topology --------------------------------------------------------------

enum {
  NVML_TOPOLOGY_INTERNAL = 0,     ///< Two GPUs of one board.
  NVML_TOPOLOGY_SINGLE = 10,      ///< One PCIe switch between.
  NVML_TOPOLOGY_MULTIPLE = 20,    ///< Several switches, one root port.
  NVML_TOPOLOGY_HOSTBRIDGE = 30,  ///< One host bridge.
  NVML_TOPOLOGY_NODE = 40,        ///< One NUMA node.
  NVML_TOPOLOGY_SYSTEM = 50,      ///< Across NUMA nodes.
};

typedef int nvmlGpuTopologyLevel_t;

enum { NVML_NVLINK_MAX_LINKS = 36 };  ///< 18 before driver 580.

enum {
  NVML_NVLINK_DEVICE_TYPE_GPU = 0x00,
  NVML_NVLINK_DEVICE_TYPE_IBMNPU = 0x01,
  NVML_NVLINK_DEVICE_TYPE_SWITCH = 0x02,
  NVML_NVLINK_DEVICE_TYPE_UNKNOWN = 0xFF,
};

typedef int nvmlIntNvLinkDeviceType_t;

enum {
  NVML_GPU_FABRIC_STATE_NOT_SUPPORTED = 0,
  NVML_GPU_FABRIC_STATE_NOT_STARTED = 1,
  NVML_GPU_FABRIC_STATE_IN_PROGRESS = 2,
  NVML_GPU_FABRIC_STATE_COMPLETED = 3,
};

typedef unsigned char nvmlGpuFabricState_t;

typedef struct {
  unsigned char clusterUuid[NVML_GPU_FABRIC_UUID_LEN];
  nvmlReturn_t status;  ///< Of the probe; means something when COMPLETED.
  unsigned cliqueId;
  nvmlGpuFabricState_t state;
} nvmlGpuFabricInfo_t;

typedef struct {
  unsigned version;
  unsigned char clusterUuid[NVML_GPU_FABRIC_UUID_LEN];
  nvmlReturn_t status;
  unsigned cliqueId;
  nvmlGpuFabricState_t state;
  unsigned healthMask;
} nvmlGpuFabricInfo_v2_t;

typedef struct {
  unsigned version;
  unsigned char clusterUuid[NVML_GPU_FABRIC_UUID_LEN];
  nvmlReturn_t status;
  unsigned cliqueId;
  nvmlGpuFabricState_t state;
  unsigned healthMask;
  unsigned char healthSummary;
} nvmlGpuFabricInfo_v3_t;

// ---- Events ----------------------------------------------------------------

#define NVML_EVENT_TYPE_SINGLE_BIT_ECC_ERROR 0x1ULL
#define NVML_EVENT_TYPE_DOUBLE_BIT_ECC_ERROR 0x2ULL
#define NVML_EVENT_TYPE_PSTATE 0x4ULL
#define NVML_EVENT_TYPE_XID_CRITICAL_ERROR 0x8ULL
#define NVML_EVENT_TYPE_CLOCK 0x10ULL
#define NVML_EVENT_TYPE_POWER_SOURCE_CHANGE 0x80ULL
#define NVML_EVENT_TYPE_MIG_CONFIG_CHANGE 0x100ULL

/// Of a GPU that the event concerns as a whole.
#define NVML_EVENT_NO_INSTANCE 0xffffffffU

typedef struct nvmlEventData_st {
  nvmlDevice_t device;           ///< Null: the driver could not tell which.
  unsigned long long eventType;  ///< One of the bits.
  unsigned long long eventData;  ///< XID_CRITICAL_ERROR: the XID.
  unsigned gpuInstanceId;
  unsigned computeInstanceId;
} nvmlEventData_t;

// ---- Processes and use -----------------------------------------------------

/// usedGpuMemory is ~0 where the driver cannot tell (as under WDDM).
typedef struct nvmlProcessInfo_st {
  unsigned pid;
  unsigned long long usedGpuMemory;
  unsigned gpuInstanceId;  ///< NVML_EVENT_NO_INSTANCE without MIG.
  unsigned computeInstanceId;
} nvmlProcessInfo_t;

/// What the calls without a suffix fill.
typedef struct nvmlProcessInfo_v1_st {
  unsigned pid;
  unsigned long long usedGpuMemory;
} nvmlProcessInfo_v1_t;

enum {
  NVML_PROCESS_MODE_COMPUTE = 0,
  NVML_PROCESS_MODE_GRAPHICS = 1,
  NVML_PROCESS_MODE_MPS = 2,
};
typedef struct {
  unsigned pid;
  unsigned long long usedGpuMemory;
  unsigned gpuInstanceId;
  unsigned computeInstanceId;
  unsigned long long usedGpuCcProtectedMemory;
} nvmlProcessDetail_v1_t;
typedef struct {
  unsigned version;  ///< NVML_STRUCT_VERSION(nvmlProcessDetailList_v1_t, 1)
  unsigned mode;
  unsigned numProcArrayEntries;  ///< Room in, number out.
  nvmlProcessDetail_v1_t* procArray;
} nvmlProcessDetailList_v1_t;
typedef struct nvmlUtilization_st {
  unsigned gpu;  ///< Percent of the last sample period.
  unsigned memory;
} nvmlUtilization_t;

typedef struct nvmlProcessUtilizationSample_st {
  unsigned pid;
  unsigned long long timeStamp;  ///< Microseconds of the CPU's clock.
  unsigned smUtil;
  unsigned memUtil;
  unsigned encUtil;
  unsigned decUtil;
} nvmlProcessUtilizationSample_t;

// ---- Telemetry and errors --------------------------------------------------

enum { NVML_TEMPERATURE_GPU = 0 };

enum {
  NVML_CLOCK_GRAPHICS = 0,
  NVML_CLOCK_SM = 1,
  NVML_CLOCK_MEM = 2,
  NVML_CLOCK_VIDEO = 3,
};

enum {
  NVML_MEMORY_ERROR_TYPE_CORRECTED = 0,
  NVML_MEMORY_ERROR_TYPE_UNCORRECTED = 1,
};

enum { NVML_VOLATILE_ECC = 0, NVML_AGGREGATE_ECC = 1 };

enum {
  NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS = 0,
  NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR = 1,
};

// NOLINTEND(modernize-avoid-c-arrays)
// NOLINTEND(readability-identifier-naming,modernize-use-using)

// The layouts, where a wrong member would otherwise show as a wild value.
#ifdef __cplusplus
static_assert(sizeof(nvmlPciInfo_t) == 68);
static_assert(sizeof(nvmlMemory_v2_t) == 40);
static_assert(sizeof(nvmlDeviceAttributes_t) == 40);
static_assert(sizeof(nvmlGpuInstanceProfileInfo_t) == 48);
static_assert(sizeof(nvmlGpuInstanceProfileInfo_v2_t) == 152);
static_assert(sizeof(nvmlGpuInstanceProfileInfo_v3_t) == 152);
static_assert(sizeof(nvmlEventData_t) == 32);
static_assert(sizeof(nvmlProcessInfo_t) == 24);
static_assert(sizeof(nvmlProcessDetail_v1_t) == 32);
static_assert(sizeof(nvmlProcessDetailList_v1_t) == 24);
static_assert(sizeof(nvmlGpuFabricInfo_t) == 28);
static_assert(sizeof(nvmlGpuFabricInfo_v3_t) == 40);
#endif
