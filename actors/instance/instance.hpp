#pragma once

#include "actors/instance/lifecycle.hpp"
#include "actors/traced.hpp"
#include "config/log.hpp"
#include "messages/instance.hpp"
#include "messages/journal.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace muster {

/// Whom an instance talks to, and what it is.
struct instance_setup {
  std::string role;  ///< `runner:a/group/instance:i-1`
  std::string group; ///< the cloud's own group id
  instance_id id;
  instance_life::options options;
  int32_t use_count = 0;                  ///< so far, without those of `claims`
  std::vector<occupy> claims;             ///< jobs that hold its slots already
  std::vector<acquisition_key> leftovers; ///< jobs of which something may be
                                          ///< there
  instance_parent_actor parent;
  provider_gate_actor provider; ///< by way of the group
  dialer_actor dialer;
  journal_actor journal;
  log::fields log_fields;
};

struct instance_state {
  std::shared_ptr<const instance_setup> setup;
  instance_life::state life;
  uint64_t version = 0; ///< of the last status told
  connect_info info;    ///< known from `dial` on
  std::vector<slot_actor> slots;
  std::vector<uint64_t> slot_versions;
  std::map<acquisition_key, peer> holders; ///< of occupies under way
  time_point running_since;
  const char* name = "instance";
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, instance_state& x) {
  return f(caf::meta::type_name("instance_state"), x.life, x.version);
}

/// One machine. Spawned by its group, which it monitors; it spawns its slots.
/// It ends when the cloud does not have the machine any more: in order if it
/// had been asked to go, else with `removed_externally`, which its slots pass
/// on to the jobs. A dead provider does not hurt it, a dead slot makes it
/// retire.
instance_actor spawn_instance(const spawner& at, instance_setup setup);

} // namespace muster
