#pragma once

#include "actors/gauged.hpp"
#include "actors/journal/store.hpp"
#include "actors/metrics_sink.hpp"
#include "messages/journal.hpp"

#include <caf/all.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>

namespace muster {

struct journal_state {
  bool failing = false; ///< said so already
  /// Where an earlier manager left jobs: known before the first of them is told
  /// to GitLab and forgotten.
  std::map<instance_id, std::set<acquisition_key>> left_on;
  const char* name = "journal";
};

/// Starts the journal for a manager.
using start_journal_actor = std::function<journal_actor(
  caf::local_actor* from, const caf::actor_addr& parent)>;

/// Returns what starts a journal over this store.
start_journal_actor journal_starter(std::shared_ptr<journal_store> store,
                                    std::shared_ptr<metrics_sink> metrics);

/// An edge: what must outlive the process, on disk. Spawned detached by the
/// manager, which it monitors. Its death ends the manager: no job may be taken
/// that is not written down.
journal_actor::behavior_type
journal(gauged_ptr<journal_actor, journal_state> self,
        const caf::actor_addr& parent, std::shared_ptr<journal_store> store,
        std::shared_ptr<metrics_sink> metrics);

} // namespace muster
