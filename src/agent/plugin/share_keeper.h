// ShareKeeper: grants live as long as a Pod holds them.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/plugin/catalogue.h"
#include "agent/plugin/pod_holders.h"
#include "agent/plugin/priority_keeper.h"
#include "base/core/clock.h"
#include "gpu/device/process_use.h"
#include "share/grants/grant_watch.h"
#include "share/grants/reconciliation.h"
#include "share/turns/referee.h"

namespace gpunode::plugin {

/// One container that is held to a share, as far as the node knows it.
struct ShareUse {
  std::string allocation_id;
  Holder holder;  ///< Empty: no Pod is known to hold it.
  share::GrantLook look;
  std::map<std::string, share::TurnUse> turns;  ///< By Device; as it has any.
};

/// The kubelet replays answers after a reboot, so what they name is made again
/// from what Pods hold; it tells nobody when a Pod ends, so what no Pod holds
/// any more, and no process, is removed (docs/adr/0006). Nothing is removed but
/// on the word of both the kubelet's API and its checkpoint: the API leaves out
/// init containers, and whatever a kubelet that has just started was not told
/// yet. One thread, the agent's loop.
class ShareKeeper {
 public:
  /// A grant that nobody holds is left alone this long: its Pod may not be
  /// listed yet.
  static constexpr std::chrono::seconds kGrace{60};

  ShareKeeper(share::GrantFiles files, host::HostRoot host,
              HolderSources sources)
      : watch_(std::move(files), host),
        host_(std::move(host)),
        query_(std::move(sources)) {}

  /// When due() has something to do; absent: nobody is held to anything.
  std::optional<TimePoint> next() const { return next_; }
  /// Readable when due() has an answer of the kubelet's.
  int news_fd() const { return query_.fd(); }

  /// `is_sharing`: containers may be held to shares from now on. What was
  /// granted before is looked after in any case. True if what Pods hold, as far
  /// as is known, has changed.
  bool due(TimePoint now, bool is_sharing, const Resources& resources);

  /// As of the last look, by allocation id.
  std::vector<ShareUse> uses() const;
  /// Those that take turns and whose resource there is, likewise.
  std::vector<PrioritizedShare> prioritized(const Resources& resources) const;
  /// Devices on which somebody is held to a share and runs, to ask the driver
  /// about; what the ledgers have of them is remembered for reconcile().
  std::vector<device::DeviceId> begin_reconcile();
  /// Tells the ledgers what the driver says beyond them, and looks for
  /// processes of Pods that are on such a Device and in no ledger.
  void reconcile(const std::map<device::DeviceId,
                                std::vector<device::ProcessUse>>& driver);
  /// Those, by Device, as of the last reconcile().
  const std::map<std::string, std::uint32_t>& strangers() const {
    return strangers_;
  }

  /// Ids of the resource that containers hold, as of the kubelet's last answer;
  /// absent: it has not been heard.
  std::optional<std::vector<std::string>> held(
      const std::string& resource) const;
  /// The kubelet is asked as soon as may be.
  void hurry() {
    asked_.reset();
    next_.reset();
  }
  /// Why reclaiming or rebuilding does not work; empty: it does.
  std::string problem() const;

 private:
  void take(Holders holders, const Resources& resources, TimePoint now);
  void make_again(const Holder& holder, const std::string& id,
                  const Resources& resources) const;
  void keep_time(const share::Grant& grant) const;
  void remove_ended(TimePoint now);
  void ask(TimePoint now);
  /// Who holds what was looked at; null: it is not known.
  const Holder* holder_of(const std::string& id,
                          const share::GrantLook& look) const;
  void tell_unlimited();
  void keep_turns();

  /// Of each grant and Device, the host's processes in its ledger.
  using Ledgers = std::map<std::pair<std::string, std::string>,
                           std::vector<share::GrantProcess>>;
  Ledgers ledgers() const;
  /// By Device, the host's pids.
  using KnownProcesses = std::map<std::string, std::set<std::uint32_t>>;
  void find_strangers(
      const std::map<device::DeviceId, std::vector<device::ProcessUse>>& driver,
      const KnownProcesses& known);

  share::GrantWatch watch_;
  const host::HostRoot host_;
  Ledgers before_;
  std::map<std::string, std::uint32_t> strangers_;
  std::set<std::uint32_t> told_;          // Strangers that the log has.
  std::set<std::string> told_unlimited_;  // Allocations likewise.
  /// While somebody has a part of a Device's time.
  std::unique_ptr<share::Referee> referee_;
  HolderQuery query_;
  Holders holders_;
  bool is_heard_ = false;
  bool has_looked_ = false;
  /// The files are those that there were before the kubelet was asked. Of later
  /// ones its answer may name who had the ids before; 0: there were none.
  struct Bound {
    Holder holder;
    std::uint64_t file = 0;
  };
  std::map<std::string, Bound> bound_;                // By allocation id.
  std::map<std::string, std::uint64_t> asked_files_;  // Likewise.
  /// Of a grant that nobody holds: since when, and which files it has.
  struct Unheld {
    TimePoint since;
    std::uint64_t file = 0;
  };
  std::map<std::string, Unheld> unheld_since_;
  std::optional<TimePoint> next_;
  std::optional<TimePoint> asked_;  // The kubelet.
};

}  // namespace gpunode::plugin
