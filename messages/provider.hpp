#pragma once

#include "messages/connect_info.hpp"
#include "messages/id.hpp"
#include "messages/peer.hpp"
#include "messages/phases.hpp"

#include <caf/error.hpp>
#include <caf/typed_actor.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace muster {

/// Starts the provider. Answered by `provider_ready`.
struct start_provider {
  peer asker;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, start_provider& x) {
  return f(caf::meta::type_name("start_provider"), x.asker);
}

/// Asks for the whole listing. Answered by `listing`.
struct list_instances {
  uint64_t number = 0; ///< of this question
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, list_instances& x) {
  return f(caf::meta::type_name("list_instances"), x.number);
}

/// Asks for more instances. Answered by `increased`.
struct increase {
  int32_t count = 0; ///< instances
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, increase& x) {
  return f(caf::meta::type_name("increase"), x.count);
}

/// Asks for the removal of instances. Answered by `decreased`.
struct decrease {
  std::vector<instance_id> instances;
  std::vector<instance_id> failed = {}; ///< of these: removed because of that
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, decrease& x) {
  return f(caf::meta::type_name("decrease"), x.instances, x.failed);
}

/// Asks how to reach an instance. Answered by `connect_info_found`.
struct get_connect_info {
  instance_id instance;
  peer asker;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, get_connect_info& x) {
  return f(caf::meta::type_name("get_connect_info"), x.instance, x.asker);
}

/// Asks whether the cloud still knows the instance as healthy. Answered by
/// `heartbeat_answered`.
struct heartbeat {
  instance_id instance;
  peer asker;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, heartbeat& x) {
  return f(caf::meta::type_name("heartbeat"), x.instance, x.asker);
}

/// Answers `start_provider`.
struct provider_ready {
  std::string group;    ///< the cloud's own group id
  int64_t max_size = 0; ///< instances
  std::string version;
  caf::error why;               ///< not started: `why` is set
  std::string build_info;       ///< for the log
  bool keeps_instances = false; ///< what is removed may come back as it was
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, provider_ready& x) {
  return f(caf::meta::type_name("provider_ready"), x.group, x.max_size,
           x.version, x.why, x.build_info, x.keeps_instances);
}

struct cloud_instance {
  instance_id instance;
  cloud_state state = cloud_state::creating;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, cloud_instance& x) {
  return f(caf::meta::type_name("cloud_instance"), x.instance, x.state);
}

/// Answers `list_instances`: every instance there is, or why that is not known.
struct listing {
  uint64_t number = 0;
  std::vector<cloud_instance> instances;
  caf::error why;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, listing& x) {
  return f(caf::meta::type_name("listing"), x.number, x.instances, x.why);
}

/// Answers `increase`.
struct increased {
  int32_t asked = 0;    ///< instances
  int32_t accepted = 0; ///< they appear in later listings
  caf::error why;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, increased& x) {
  return f(caf::meta::type_name("increased"), x.asked, x.accepted, x.why);
}

/// Answers `decrease`.
struct decreased {
  std::vector<instance_id> asked;
  std::vector<instance_id> accepted;
  caf::error why;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, decreased& x) {
  return f(caf::meta::type_name("decreased"), x.asked, x.accepted, x.why);
}

struct connect_info_found {
  instance_id instance;
  connect_info info;
  caf::error why;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, connect_info_found& x) {
  return f(caf::meta::type_name("connect_info_found"), x.instance, x.info,
           x.why);
}

struct heartbeat_answered {
  instance_id instance;
  caf::error why; ///< not healthy: `why` is set
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, heartbeat_answered& x) {
  return f(caf::meta::type_name("heartbeat_answered"), x.instance, x.why);
}

using provider_actor
  = caf::typed_actor<caf::reacts_to<start_provider>,
                     caf::reacts_to<list_instances>, caf::reacts_to<increase>,
                     caf::reacts_to<decrease>, caf::reacts_to<get_connect_info>,
                     caf::reacts_to<heartbeat>>;

/// What an instance asks, by way of its group: the provider may be another
/// one by now.
using provider_gate_actor = caf::typed_actor<caf::reacts_to<get_connect_info>,
                                             caf::reacts_to<heartbeat>>;

/// What a provider says to its group.
using provider_parent_actor
  = caf::typed_actor<caf::reacts_to<provider_ready>, caf::reacts_to<listing>,
                     caf::reacts_to<increased>, caf::reacts_to<decreased>>;

/// What a provider says to an instance that asked.
using provider_asker_actor
  = caf::typed_actor<caf::reacts_to<connect_info_found>,
                     caf::reacts_to<heartbeat_answered>>;

} // namespace muster
