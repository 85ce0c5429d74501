#include "share/intercept/graph_memory.h"

#include <sched.h>
#include <sys/mman.h>

#include "share/intercept/driver_turn.h"
#include "share/intercept/relaxed_capture.h"
#include "share/intercept/table.h"

namespace gpunode::share {
namespace {

constexpr std::uint64_t kStep = 32 << 20;

std::uint64_t in_steps(std::uint64_t bytes) {
  return bytes > ~kStep ? bytes : (bytes + kStep - 1) / kStep * kStep;
}

/// An array that grows; memory from mmap. All of it is lost when it ends.
template <typename Item>
class Items {
 public:
  Items() = default;
  Items(const Items&) = delete;
  Items& operator=(const Items&) = delete;
  ~Items() {
    if (items_ != nullptr) munmap(items_, capacity_ * sizeof(Item));
  }
  /// False if there is no memory; what was in it is kept.
  bool grow_to(std::size_t capacity) {
    if (capacity <= capacity_) return true;
    void* memory =
        mmap(nullptr, capacity * sizeof(Item), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    Item* old = items_;
    items_ = static_cast<Item*>(memory);
    for (std::size_t at = 0; at < count_; ++at) items_[at] = old[at];
    if (old != nullptr) munmap(old, capacity_ * sizeof(Item));
    capacity_ = capacity;
    return true;
  }
  void add(const Item& item) {
    constexpr std::size_t kFirst = 256;
    if (count_ == capacity_ &&
        !grow_to(capacity_ == 0 ? kFirst : 2 * capacity_)) {
      return;
    }
    items_[count_++] = item;
  }
  Item* data() { return items_; }
  std::size_t size() const { return count_; }

 private:
  Item* items_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t count_ = 0;
};

struct Range {
  std::uint64_t begin;
  std::uint64_t end;
  abi::CUdevice device;
};
using Ranges = Items<Range>;

void collect_nodes(abi::CUgraph graph, int depth, Ranges* ranges);

void collect_node(abi::CUgraphNode node, int depth, Ranges* ranges) {
  const auto get_type = real_of(driver().cuGraphNodeGetType);
  const auto get_taken = real_of(driver().cuGraphMemAllocNodeGetParams);
  const auto get_child = real_of(driver().cuGraphChildGraphNodeGetGraph);
  auto type = abi::CUgraphNodeType{};
  if (get_type == nullptr || get_type(node, &type) != abi::CUDA_SUCCESS) return;
  abi::CUgraph child = nullptr;
  abi::CUDA_MEM_ALLOC_NODE_PARAMS taken = {};
  if (type == abi::CU_GRAPH_NODE_TYPE_GRAPH && get_child != nullptr &&
      get_child(node, &child) == abi::CUDA_SUCCESS) {
    collect_nodes(child, depth + 1, ranges);
  }
  if (type == abi::CU_GRAPH_NODE_TYPE_MEM_ALLOC && get_taken != nullptr &&
      get_taken(node, &taken) == abi::CUDA_SUCCESS &&
      taken.poolProps.location.type == abi::CU_MEM_LOCATION_TYPE_DEVICE) {
    ranges->add({taken.dptr, taken.dptr + in_steps(taken.bytesize),
                 taken.poolProps.location.id});
  }
}

void collect_nodes(abi::CUgraph graph, int depth, Ranges* ranges) {
  constexpr int kDeepest = 32;
  const auto get_nodes = real_of(driver().cuGraphGetNodes);
  std::size_t count = 0;
  Items<abi::CUgraphNode> nodes;
  if (depth > kDeepest || get_nodes == nullptr ||
      get_nodes(graph, nullptr, &count) != abi::CUDA_SUCCESS || count == 0 ||
      !nodes.grow_to(count) ||
      get_nodes(graph, nodes.data(), &count) != abi::CUDA_SUCCESS) {
    return;
  }
  for (std::size_t at = 0; at < count; ++at) {
    collect_node(nodes.data()[at], depth, ranges);
  }
}

/// By device, then by address (Shell's method).
void sort(Ranges* ranges) {
  Range* all = ranges->data();
  const auto is_before = [](const Range& one, const Range& other) {
    return one.device != other.device ? one.device < other.device
                                      : one.begin < other.begin;
  };
  for (std::size_t gap = ranges->size() / 2; gap > 0; gap /= 2) {
    for (std::size_t at = gap; at < ranges->size(); ++at) {
      const Range moved = all[at];
      std::size_t to = at;
      for (; to >= gap && is_before(moved, all[to - gap]); to -= gap) {
        all[to] = all[to - gap];
      }
      all[to] = moved;
    }
  }
}

/// Nodes that follow one another's end have the same addresses: what counts is
/// the addresses.
GraphNeeds needs_of(Ranges* ranges) {
  GraphNeeds needs = {};
  sort(ranges);
  std::uint64_t covered = 0;
  std::size_t used = 0;
  for (std::size_t at = 0; at < ranges->size(); ++at) {
    const Range& range = ranges->data()[at];
    if (range.end <= range.begin ||
        account().number_of(range.device) == Account::kNoDevice) {
      continue;
    }
    if (used == 0 || range.device != needs.of[used - 1].device) {
      if (used == needs.of.size()) break;
      needs.of[used++].device = range.device;
      covered = 0;
    }
    const std::uint64_t from = range.begin < covered ? covered : range.begin;
    if (range.end > from) needs.of[used - 1].bytes += range.end - from;
    if (range.end > covered) covered = range.end;
  }
  for (GraphNeeds::Of& of : needs.of) of.bytes = in_steps(of.bytes);
  return needs;
}

/// What graphs of a device hold.
struct Holding {
  Block charge;
  std::uint64_t pending;   ///< Of the charge: what the driver may be taking.
  std::uint64_t promised;  ///< Of what is free: to launches that go on.
  std::uint64_t trims;     ///< That returned anything; counted from 1.
  std::uint64_t kept;      ///< What the last of them left to those in use.
  abi::CUdevice device;
  bool is_known;
};

Table<GraphNeeds> needs_by_exec;
std::array<Holding, GraphNeeds::kMostDevices> holdings = {};

std::uint64_t attribute(const Holding& holding, abi::CUgraphMem_attribute which,
                        std::uint64_t otherwise) {
  const auto ask = real_of(driver().cuDeviceGetGraphMemAttribute);
  std::uint64_t value = 0;
  return ask != nullptr &&
                 ask(holding.device, which, &value) == abi::CUDA_SUCCESS
             ? value
             : otherwise;
}

std::uint64_t reserved_by(const Holding& holding) {
  return attribute(holding, abi::CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT,
                   holding.charge.bytes);
}

void settle_to(Holding* holding, std::uint64_t reserved) {
  const std::uint64_t most = reserved + holding->pending;
  Block change = holding->charge;
  if (holding->charge.bytes > most) {
    change.bytes = holding->charge.bytes - most;
    account().release(change);
    holding->charge.bytes = most;
  } else if (holding->charge.bytes < reserved) {
    // A launch can't be taken back.
    change.bytes = reserved - holding->charge.bytes;
    account().charge(change);
    holding->charge.bytes = reserved;
  }
}

void settle(Holding* holding) {
  if (holding->is_known) settle_to(holding, reserved_by(*holding));
}

/// The driver was asked to trim. If that returned nothing, every graph has what
/// it had: to reserve it again would refuse what takes nothing.
void note_trimmed(Holding* holding) {
  const std::uint64_t reserved = reserved_by(*holding);
  if (reserved < holding->charge.bytes) {
    ++holding->trims;
    holding->kept = reserved;
  }
  settle_to(holding, reserved);
}

/// Of a graph for which there is no room, and which had memory: what the last
/// trim left may be its own, if it was running then. Then it takes nothing; if
/// it does, that is charged afterwards. What is left counts once.
bool may_have_kept(Holding* holding, const GraphNeeds::Of& of) {
  if (of.backed == 0 || of.bytes > holding->kept) return false;
  holding->kept -= of.bytes;
  return true;
}

Holding* holding_of(std::uint32_t number, abi::CUdevice device) {
  Holding* holding = &holdings[number];
  if (!holding->is_known) {
    *holding = {{0, number, MemoryKind::kGraph}, 0, 0, 1, 0, device, true};
  }
  return holding;
}

/// False if the limit has no room.
bool reserve(Holding* holding, std::uint64_t bytes, std::uint64_t* promised,
             std::uint64_t* reserved) {
  settle(holding);
  const std::uint64_t has = reserved_by(*holding);
  const std::uint64_t gone =
      attribute(*holding, abi::CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT, has) +
      holding->promised;
  const std::uint64_t free = gone < has ? has - gone : 0;
  Block more = holding->charge;
  more.bytes = bytes > free ? bytes - free : 0;
  if (more.bytes != 0 && account().reserve_block(more) != Verdict::kGranted) {
    return false;
  }
  *reserved = more.bytes;
  *promised = bytes - more.bytes;
  holding->promised += *promised;
  holding->charge.bytes += more.bytes;
  holding->pending += more.bytes;
  return true;
}

/// It has all of its memory: nothing is taken, and nothing settled after.
bool is_backed(const GraphNeeds& needs) {
  for (const GraphNeeds::Of& of : needs.of) {
    if (of.bytes == 0) break;
    const std::uint32_t number = account().number_of(of.device);
    if (number == Account::kNoDevice) continue;
    const bool has_memory = of.backed != 0 && number < holdings.size() &&
                            of.backed == holdings[number].trims;
    if (!has_memory) return false;
  }
  return true;
}

std::uint64_t key_of(abi::CUgraphExec exec) {
  return reinterpret_cast<std::uint64_t>(exec);
}

}  // namespace

void note_instantiated(abi::CUgraphExec exec, abi::CUgraph graph) {
  if (DriverTurn::is_amid()) return;
  const RelaxedCapture relaxed;
  Ranges ranges;
  collect_nodes(graph, 0, &ranges);
  const GraphNeeds needs = needs_of(&ranges);
  const DriverTurn turn(Kept::kGraphs);
  if (ranges.size() == 0) {
    // The handle may be one of a graph that ended on a way that is not ours.
    needs_by_exec.erase(key_of(exec));
    return;
  }
  GraphNeeds* kept = needs_by_exec.put(key_of(exec));
  if (kept != nullptr) *kept = needs;
}

bool begin_graph_destroy(abi::CUgraphExec exec, GraphNeeds* needs) {
  if (DriverTurn::is_amid()) return false;
  const DriverTurn turn(Kept::kGraphs);
  const GraphNeeds* found = needs_by_exec.find(key_of(exec));
  if (found == nullptr) return false;
  *needs = *found;
  needs_by_exec.erase(key_of(exec));
  return true;
}

void undo_graph_destroy(abi::CUgraphExec exec, const GraphNeeds& needs) {
  const DriverTurn turn(Kept::kGraphs);
  GraphNeeds* kept = needs_by_exec.put(key_of(exec));
  if (kept != nullptr) *kept = needs;
}

GraphTaking::Answer GraphTaking::begin_once(abi::CUgraphExec exec,
                                            std::uint32_t* refused) {
  const DriverTurn turn(Kept::kGraphs);
  const GraphNeeds* needs = needs_by_exec.find(key_of(exec));
  if (needs == nullptr || is_backed(*needs)) return Answer::kGranted;
  exec_ = key_of(exec);
  const RelaxedCapture relaxed;
  for (const GraphNeeds::Of& of : needs->of) {
    if (of.bytes == 0) break;
    const std::uint32_t number = account().number_of(of.device);
    if (number == Account::kNoDevice) continue;
    if (number >= holdings.size()) {  // The limits cannot be read.
      *refused = number;
      return Answer::kRefused;
    }
    Holding* holding = holding_of(number, of.device);
    trims_[number] = holding->trims;
    if (of.backed == holding->trims) continue;
    if (reserve(holding, of.bytes, &promised_[number], &reserved_[number]) ||
        may_have_kept(holding, of)) {
      continue;
    }
    *refused = number;
    // What other threads' launches reserved may turn out to be too much.
    return holding->pending != 0 || holding->promised != 0 ? Answer::kLater
                                                           : Answer::kRefused;
  }
  return Answer::kGranted;
}

bool GraphTaking::begin(abi::CUgraphExec exec) {
  constexpr int kMostTurns = 1000;
  if (DriverTurn::is_amid()) return true;
  std::uint32_t refused = 0;
  Answer answer = Answer::kLater;
  for (int turn = 0; turn < kMostTurns && answer == Answer::kLater; ++turn) {
    answer = begin_once(exec, &refused);
    if (answer == Answer::kGranted) return true;
    end(false);
    if (answer == Answer::kLater) sched_yield();
  }
  if (!make_room(refused)) return false;
  if (begin_once(exec, &refused) == Answer::kGranted) return true;
  end(false);
  return false;
}

void GraphTaking::end(bool is_launched) {
  if (exec_ == 0) return;
  const DriverTurn turn(Kept::kGraphs);
  const RelaxedCapture relaxed;
  GraphNeeds* needs = needs_by_exec.find(exec_);
  for (std::uint32_t number = 0; number < holdings.size(); ++number) {
    Holding* holding = &holdings[number];
    if (trims_[number] == 0) continue;
    holding->pending -= reserved_[number];
    holding->promised -= promised_[number];
    settle(holding);
  }
  if (is_launched && needs != nullptr) {
    for (GraphNeeds::Of& of : needs->of) {
      if (of.bytes == 0) break;
      const std::uint32_t number = account().number_of(of.device);
      if (number < trims_.size() && trims_[number] != 0) {
        of.backed = trims_[number];
      }
    }
  }
  exec_ = 0;
  reserved_ = {};
  promised_ = {};
  trims_ = {};
}

void settle_graphs() {
  if (DriverTurn::is_amid()) return;
  const DriverTurn turn(Kept::kGraphs);
  const RelaxedCapture relaxed;
  for (Holding& holding : holdings) settle(&holding);
}

bool trim_graphs(std::uint32_t device) {
  const auto ask = real_of(driver().cuDeviceGraphMemTrim);
  if (device >= holdings.size() || ask == nullptr || DriverTurn::is_amid()) {
    return false;
  }
  const DriverTurn turn(Kept::kGraphs);
  Holding* holding = &holdings[device];
  if (!holding->is_known || holding->charge.bytes == 0) return false;
  const RelaxedCapture relaxed;
  const std::uint64_t before = holding->charge.bytes;
  ask(holding->device);
  note_trimmed(holding);
  return holding->charge.bytes < before;
}

void note_graphs_trimmed(abi::CUdevice device) {
  if (DriverTurn::is_amid()) return;
  const DriverTurn turn(Kept::kGraphs);
  const RelaxedCapture relaxed;
  for (Holding& holding : holdings) {
    if (holding.is_known && holding.device == device) note_trimmed(&holding);
  }
}

void forget_graphs() {
  needs_by_exec.forget();
  holdings = {};
  DriverTurn::forget(Kept::kGraphs);
}

}  // namespace gpunode::share
