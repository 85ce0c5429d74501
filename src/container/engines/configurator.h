// Configures an engine of this host: plans, writes, proves, and takes back what
// the engine does not understand as it was meant.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "container/engines/containerd_config.h"
#include "container/engines/plan.h"
#include "container/engines/request.h"
#include "container/engines/undo_record.h"

namespace gpunode::engines {

/// Where and how; what is in RuntimeRequest.
struct ConfigureTask {
  enum class DropIn {
    kAsVersionAllows,  ///< From containerd 2.1 on; CRI-O always.
    kAlways,           ///< As nvidia-ctk: with the whole CRI section.
    kNever,
  };

  Engine engine = Engine::kContainerd;
  std::string config_path;
  DropIn drop_in = DropIn::kAsVersionAllows;
  std::string drop_in_path;
  std::string engine_path;  ///< The daemon's program; looked for if empty.
  /// The CRI section comes from the engine's dump, where its version is the
  /// file's.
  bool use_dump = false;
  /// The engine is asked before and after. nvidia-ctk does not: it may run
  /// where the engine is not.
  bool is_proof_wanted = true;
  std::string record_directory = kRecordDirectory;  ///< For undoing.
};

/// What was done.
struct Configured {
  /// What the engine said to it.
  enum class Verdict {
    kNotAsked,  ///< Its program is not here, or cannot tell.
    kAccepted,  ///< It reads the files without complaint; no more is known.
    kAsMeant,   ///< It would run with what was asked and nothing else changed.
  };
  EnginePlan plan;
  Verdict verdict = Verdict::kNotAsked;
};

/// The files' and programs' side of it. `runner` must outlive it.
class Configurator {
 public:
  Configurator(host::HostRoot root, host::CommandRunner& runner)
      : root_(std::move(root)), runner_(runner) {}

  /// Reads and plans; writes nothing.
  Result<EnginePlan> plan(const ConfigureTask& task,
                          const RuntimeRequest& request);

  /// Carries out a plan that plan() made of the same task and request: an undo
  /// record, the files, the proof. On failure every file is as it was, byte
  /// for byte.
  Result<Configured> apply(const ConfigureTask& task,
                           const RuntimeRequest& request, EnginePlan plan);

  /// Plans taking back what apply() did, files edited since included.
  /// kNotFound if there is no record.
  Result<EnginePlan> plan_undo(const ConfigureTask& task);

  /// Carries it out and removes the record. On failure as apply(); the record
  /// stays.
  Result<Configured> apply_undo(const ConfigureTask& task, EnginePlan plan);

  /// Fails with kUnavailable, saying what to do first, if a restart could take
  /// GPUs from containers that use them.
  Result<void> check_restart(const ConfigureTask& task) const;

  /// Restarts the engine's unit through systemctl.
  Result<void> restart(const ConfigureTask& task);

 private:
  Result<EnginePlan> plan_for_containerd(const ConfigureTask& task,
                                         const RuntimeRequest& request);
  Result<void> read_dump(const ConfigureTask& task,
                         const RuntimeRequest& request, ContainerdFiles& files,
                         std::vector<std::string>& notes);
  Result<bool> merges_tables(const ConfigureTask& task,
                             const RuntimeRequest& request);
  Result<EnginePlan> plan_for_crio(const ConfigureTask& task,
                                   const RuntimeRequest& request);
  std::string program_of(const ConfigureTask& task) const;
  Result<std::string> dump_of(const ConfigureTask& task, bool is_file_there);
  Result<std::string> crio_status(const ConfigureTask& task);
  Result<void> write_all(const EnginePlan& plan);
  Result<void> take_back(const EnginePlan& plan);
  Result<bool> can_ask(const ConfigureTask& task);
  Result<std::string> ask(const ConfigureTask& task);
  Result<Configured::Verdict> prove(const ConfigureTask& task,
                                    const RuntimeRequest& request,
                                    const std::string& before);
  Result<void> remember(const ConfigureTask& task, const EnginePlan& plan);

  host::HostRoot root_;
  host::CommandRunner& runner_;
};

}  // namespace gpunode::engines
