#pragma once

#include "actors/group/decision.hpp"
#include "actors/group/schedule.hpp"
#include "messages/decisions.hpp"

#include <map>
#include <string>
#include <vector>

namespace muster {

decision_rule rule_of(scaling_rule x);
decision_rule rule_of(retire_reason x);

/// What kept a group from asking for as many instances as it wants.
struct growth_outcome {
  int asked = 0; ///< of the provider [instances]
  /// Of the rest; `satisfied`: nothing is left.
  decision_rule held_by = decision_rule::satisfied;
  group_time until = never; ///< when it may come out otherwise
};

/// Puts down what was decided, from what, and the options that were not taken:
/// growth beyond the limit or held back, instances kept by reservations or
/// until their idle time is over.
decision_note account_of(const group_decision& what, const fleet& instances,
                         const decision_input& in, const policy& in_force,
                         const growth_outcome& growth);

/// Which decisions are worth a remark: those that act, and those that come out
/// by other rules than the one before. A value.
class decision_memory {
public:
  /// Whether it is to be noted and counted.
  bool is_news(const decision_note& x);

  /// Whether it is also worth a line in the log: what acts, and growth that is
  /// held back. The same is not told again within a minute.
  bool is_line(const decision_note& x, group_time now);

  /// Whether a rule that holds back may be told once more.
  bool may_repeat(decision_rule x, group_time now);

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f,
                                                 decision_memory& x) {
    return f(x.last_, x.told_);
  }

private:
  std::vector<decision_rule> last_;
  std::map<decision_rule, group_time> told_; ///< of rules that hold back
};

} // namespace muster
