#pragma once

#include "executors/helper/stage_report.hpp"

#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace muster::docker {

/// A container of the job, as far as it has come.
struct container_state {
  std::string id;    ///< empty: none, or not known
  std::string image; ///< what it is made from
  /// A stage is at work in it, or was when it was ended: not to be used again.
  bool in_use = false;
  bool begun = false; ///< it may be there, whether its id is known or not
  bool waits = false; ///< it was started, and its shell waits for a script

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(container_state, id, image, in_use, begun,
                                 waits)
};

/// What one stage of a job leaves for the next ones.
struct job_state {
  std::string api_version; ///< empty: the Engine was never reached
  container_state helper;
  container_state build;
  std::vector<std::string> links;    ///< `alias:address` of services
  std::vector<std::string> services; ///< ids
  bool roots_open = false;           ///< the volumes' roots are for everybody
  bool given_to_user = false;        ///< the job's folders
  bool at_work = false;              ///< a stage is, or was when it was ended
  bool cut_off = false; ///< a stage was ended: what it asked for may come yet

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(job_state, api_version, helper, build, links,
                                 services, roots_open, given_to_user, at_work,
                                 cut_off)
};

/// The job's state in its report: each change is kept before what depends on
/// it is done. From any thread.
class kept_state {
public:
  explicit kept_state(helper::stage_report report);

  job_state get() const;

  template <class F>
  void change(const F& how) {
    std::lock_guard guard{mutex_};
    how(state_);
    keep();
  }

private:
  void keep() const;

  helper::stage_report report_;
  mutable std::mutex mutex_;
  job_state state_;
};

} // namespace muster::docker
