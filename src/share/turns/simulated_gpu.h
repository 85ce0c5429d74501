// A GPU, the containers that work on it and the node's loop around a TurnBook,
// in time that is only counted: for tests.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>

#include "share/turns/turn_book.h"

namespace gpunode::share {

/// What a container's one process does.
struct SimulatedProgram {
  Duration kernel = std::chrono::microseconds(200);
  /// Work between two waits for the GPU; 0: it launches without end.
  Duration burst{};
  /// From the beginning of one burst to the next one's, if that is over.
  Duration period{};
  /// How much it launches ahead of the GPU when it may.
  Duration run_ahead = std::chrono::milliseconds(50);
  /// How much the GPU holds for it while it is not its turn, at most; one piece
  /// at least.
  Duration hold = std::chrono::milliseconds(2);
  /// Of its own time, for each kernel; 0: it is always ahead of the GPU.
  Duration launch_cost{};
  /// The first kernel does not end.
  bool is_persistent = false;
  /// It waits for its turn and does nothing with it.
  bool is_dead = false;
  /// Changes what the node sees of it.
  std::function<void(TurnLook&)> lie = nullptr;
};

/// Contexts that have work have slices of 2 ms in turn, and changing them costs
/// 0.1 ms. A fence stands behind each 0.5 ms of launches, none behind the rest
/// of a burst. What is launched while it is not the container's turn is held,
/// and let in 50 µs after its turn began.
class SimulatedGpu {
 public:
  using Key = TurnBook::Key;

  explicit SimulatedGpu(TurnBook& book) : book_(book) {}

  void add(Key key, double part, SimulatedProgram program);
  void remove(Key key);
  /// It does this from now on, with the rest of what it has launched.
  void change(Key key, SimulatedProgram program);
  void run(Duration length);
  /// What the node takes for the time goes on by so much at once.
  void jump(Duration by) { jumped_ += by; }

  /// Its kernels' own time so far.
  Duration done(Key key) const { return containers_.at(key).done; }
  std::uint64_t bursts(Key key) const { return containers_.at(key).bursts; }
  /// From the first thread that waited to a launch, at most.
  Duration longest_wait(Key key) const;
  void forget_waits();
  /// Time that the GPU had work, changing contexts included.
  Duration busy() const { return busy_; }
  std::uint64_t steps() const { return steps_; }
  std::optional<Key> open() const { return turn_.open; }

 private:
  struct Piece {
    Duration left{};
    std::int64_t kernels = 0;
    bool has_fence = false;
  };
  struct Container {
    SimulatedProgram program;
    std::deque<Piece> pieces;
    std::deque<Piece> held;
    Duration under_way{};
    Duration held_work{};
    Duration launches_from{};  ///< Until then the program is busy itself.
    Duration todo{};
    Duration burst_began{};
    std::optional<Duration> next_burst;
    bool waits = false;  ///< No more of its work is held.
    Duration waits_since{};
    std::optional<Duration> wakes;
    Duration unfenced{};
    std::uint64_t fenced = 0;
    std::uint64_t passed = 0;
    std::uint64_t launches = 0;
    std::uint64_t bursts = 0;
    Duration done{};
    Duration longest_wait{};
  };

  void act(Key key, Container& container);
  void wake(Container& container, bool is_open);
  std::optional<Duration> next_piece(Container& container) const;
  bool may_run_ahead(const Container& container, Duration piece) const;
  bool may_be_held(const Container& container, Duration piece) const;
  void launch(Container& container, Duration piece, bool goes);
  void let_in(Container& container);
  void step();
  void choose_context();
  Duration next_event(Duration end) const;
  void work(Duration until);

  TurnBook& book_;
  std::map<Key, Container> containers_;
  TurnBook::Looks looks_;
  TurnPlan turn_;
  Duration now_{};
  Duration jumped_{};
  std::optional<Duration> wake_;
  bool is_rung_ = false;
  std::optional<Key> on_gpu_;
  Duration slice_{};      ///< Left of it.
  Duration switching_{};  ///< Left of changing to it.
  Duration busy_{};
  std::uint64_t steps_ = 0;
};

}  // namespace gpunode::share
