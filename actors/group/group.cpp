#include "actors/group/group.hpp"

#include "actors/group/listing_pace.hpp"
#include "actors/group/words.hpp"
#include "actors/instance/instance.hpp"
#include "config/difference.hpp"
#include "config/feature_flags.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <tuple>

namespace muster {

namespace {

using namespace std::chrono_literals;
using self_t = self_ptr<group_actor, group_state>;

/// A request that no listing has shown by then is given up and made again.
constexpr auto request_patience = 10min;
/// A listing that tells nothing new is a reason to look again so much later:
/// the wall clock may have been set.
constexpr auto decide_again = 30s;
/// So many listings must leave out the instance of a job that holds a slot of
/// an earlier manager; see also `cloud_view`.
constexpr int claim_misses = 6;
/// A machine that is gone is not given out if a listing has it within that.
constexpr auto lost_for = 1h;
/// Of an instance, as many as may be configured.
constexpr int32_t slots_max = 10'000;
/// A provider that lives so long is not about to fail again for the same
/// reason.
constexpr auto provider_trust = 1min;
/// So often it is looked whether a job that waits is to be told what for.
constexpr auto notice_interval = 10s;

/// Whatever the journal says, and whenever this machine was started.
constexpr std::chrono::milliseconds longest_ago = std::chrono::hours{24 * 365};

constexpr auto shutdown_reason = "the manager shuts down";

growth_rate rate_of(const autoscaler_config& x) {
  growth_rate out;
  out.per_second = x.scale_limit;
  out.burst = x.scale_burst;
  return out;
}

/// A helper removes containers for up to 5 minutes.
constexpr std::chrono::milliseconds containers_clean_timeout{340'000};

/// What instances get a helper image from.
instance_life::image_archive image_of(const runner_config& x) {
  if (!x.docker || x.docker->helper_archive.empty())
    return {};
  return {x.docker->helper_archive, x.docker->helper_archive_image};
}

/// Whether jobs have left their slots, which are not free before they are
/// clean, and nothing else has changed.
bool is_only_cleaned(const instance_report& before,
                     const instance_report& after) {
  if (after.phase != instance_phase::ready || before.phase != after.phase
      || before.failures != after.failures
      || before.use_count != after.use_count
      || before.slots.size() != after.slots.size())
    return false;
  for (size_t i = 0; i < after.slots.size(); ++i) {
    const auto& was = before.slots[i];
    const auto& is = after.slots[i];
    auto leaves = was.phase == slot_phase::held
                  && is.phase == slot_phase::cleaning && was.key == is.key;
    if (was != is && !leaves)
      return false;
  }
  return true;
}

struct driver {
  self_t self;
  std::shared_ptr<const group_setup> setup;

  group_state& st() const {
    return self->state;
  }

  const autoscaler_config& cfg() const {
    return *st().config->autoscaler;
  }

  log::fields fields() const {
    log::fields out{{"runner", short_token(st().config->token)},
                    {"runner_name", st().config->name},
                    {"subsystem", "taskscaler"}};
    if (!st().id.empty())
      out.emplace_back("group", st().id);
    return out;
  }

  log::fields fields(const instance_id& id) const {
    auto out = fields();
    out.emplace_back("instance", id.value);
    return out;
  }

  /// Of lines that GitLab Runner's fleeting writes: it says `id`.
  log::fields fleeting_fields(const instance_id& id) const {
    auto out = fields(id);
    out.emplace_back("id", id.value);
    return out;
  }

  log::fields fields(const caf::error& why) const {
    auto out = fields();
    out.emplace_back("err", text_of(why));
    return out;
  }

  // -- provider ---------------------------------------------------------------

  void start_provider() const {
    st().provider
      = st().make_provider(self, caf::actor_cast<provider_parent_actor>(self));
    self->monitor(st().provider);
    st().provider_since = self->now();
    self->send(st().provider,
               muster::start_provider{peer_of(setup->role, self)});
  }

  /// What was asked of it may or may not have been done: the next listing and
  /// the deadlines of the requests decide.
  void provider_lost(const caf::error& why) const {
    forget_questions();
    if (st().provider_exchange == exchange::ending) { // as was wanted
      st().provider_exchange
        = st().former.runner ? exchange::trying : exchange::none;
      start_provider();
      return;
    }
    if (st().provider_exchange == exchange::waiting) // nothing to wait for
      st().provider_exchange = exchange::trying;
    log::error("the provider failed and is started again", fields(why));
    auto pause = std::min<time_point::duration>(
      500ms * (1 << std::min(st().provider_failures++, 7)), 60s);
    st().provider = nullptr;
    send_later(self, self->now() + pause, list_tick{st().list_ticks});
  }

  void forget_questions() const {
    for (auto count : std::exchange(st().increases_out, {}))
      st().cloud.answered(count, 0, false, self->now() + request_patience);
    for (const auto& ids : std::exchange(st().decreases_out, {}))
      st().instances.deletion_answered(ids, {}, self->now(), self->now());
    st().listing_out = false;
    st().listing_failed = true;
    st().list_due = {};
    ++st().list_ticks;
  }

  void on(const provider_ready& x) const {
    auto& s = st();
    if (s.provider_exchange == exchange::ending) // the old one's
      return;
    if (x.why) {
      if (s.ready) // it will be tried again, as after any failure
        self->send_exit(s.provider, x.why);
      else if (s.former.runner)
        keep_former(fmt::format("the provider refuses the plugin_config or "
                                "connector_config of now ({}): mend it",
                                text_of(x.why)));
      else
        self->quit(x.why);
      return;
    }
    if (!s.id.empty() && s.id != x.group && s.former.runner) {
      keep_former(fmt::format("plugin_config names another group of instances "
                              "now, {}: this needs a restart of muster",
                              x.group));
      return;
    }
    auto first = !s.initialized;
    auto limit = instances_limit(cfg().max_instances, x.max_size);
    if (!limit && first) {
      self->quit(error_of(limit.error()));
      return;
    }
    if (!s.id.empty() && s.id != x.group) { // its instances are others'
      self->quit(error_of(provider_errc::bad_config,
                          fmt::format("the provider was of the group {} and is "
                                      "of {} after it was started again",
                                      s.id, x.group)));
      return;
    }
    s.provider_max = x.max_size;
    s.keeps_instances = x.keeps_instances;
    s.id = x.group;
    s.initialized = true;
    set_limits();
    settle_exchange();
    if (setup->proven)
      setup->proven->give(std::make_shared<const proven_group>(
        proven_group{s.id, {s.config, s.make_provider}}));
    auto with = fields();
    with.emplace_back("version", x.version);
    if (!x.build_info.empty())
      with.emplace_back("build_info", x.build_info);
    log::info("plugin initialized", with);
    for (const auto& row : s.actors) // their questions went to the old one
      self->send(row.second, provider_state{s.cloud.state_of(row.first)});
    if (first)
      self->send(setup->journal,
                 read_instances{s.id, peer_of(setup->role, self)});
    else
      list_now();
  }

  // -- another configuration --------------------------------------------------

  using exchange = group_state::exchange;

  void on(const reconfigure_group&) const {
    auto& s = st();
    auto orders = setup->orders ? setup->orders->look() : nullptr;
    if (!orders || orders->runner == s.config)
      return;
    auto before = s.config;
    const auto& was = *before->autoscaler;
    const auto& is = *orders->runner->autoscaler;
    if (auto policies = schedule::make(is.policies))
      s.policies = std::move(*policies);
    else
      log::error("the policies stay as they were",
                 fields(error_of(policies.error())));
    if (concerns_provider(was, is) && s.initialized && !s.former.runner)
      s.former = {before, s.make_provider};
    s.config = orders->runner;
    s.make_provider = orders->make_provider;
    s.growth.set_rate(rate_of(is));
    set_limits();
    auto replaces = replaces_instances(was, is);
    if (concerns_provider(was, is)) {
      s.replaces |= replaces;
      begin_exchange();
    } else if (replaces) {
      replace_instances();
    }
    if (s.ready && !s.listing_out)
      arm_listing();
    decide_soon();
  }

  void set_limits() const {
    auto& s = st();
    s.instances.set_limits({cfg().capacity_per_instance, cfg().max_use_count,
                            cfg().failure_threshold});
    s.limits.capacity_per_instance = cfg().capacity_per_instance;
    if (!s.initialized) {
      s.limits.max_instances = cfg().max_instances;
      return;
    }
    if (auto limit = instances_limit(cfg().max_instances, s.provider_max)) {
      s.limits.max_instances = *limit;
    } else { // jobs go on, with what there can be
      log::error("the provider's own limit is in force",
                 fields(error_of(limit.error())));
      s.limits.max_instances
        = static_cast<int>(std::min<int64_t>(s.provider_max, INT32_MAX));
    }
    st().metrics->limits({s.limits.max_instances, cfg().capacity_per_instance,
                          cfg().max_use_count});
  }

  /// One that serves a job does so until that has ended.
  void replace_instances() const {
    for (const auto& id : st().instances.instances()) {
      st().instances.cordon(id, retire_reason::reconfigured);
      note_in_journal(id, {.leaves = to_string(retire_reason::reconfigured)});
      tell_instance(id, instance_event::retired, decision_rule::reconfigured);
    }
  }

  // -- what is told of decisions ----------------------------------------------

  /// Counts it, and writes it into a recording.
  void tell_instance(const instance_id& id, instance_event what,
                     decision_rule rule = decision_rule::satisfied,
                     const std::string& reason = {}) const {
    if (rule != decision_rule::satisfied)
      st().metrics->decided(rule);
    if (!is_recorded())
      return;
    instance_note out;
    out.instance = id;
    out.what = what;
    out.rule = rule;
    if (const auto* book = st().instances.find(id); book != nullptr) {
      out.cause = book->cause;
      out.use_count = book->told.use_count;
    }
    if (auto since = st().coming.find(id); since != st().coming.end())
      out.since_ms = ms_since(since->second);
    out.reason = reason;
    note(self, out);
  }

  std::string spoken_since(group_time x) const {
    return spoken(std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::floor<std::chrono::seconds>(self->now() - x)));
  }

  int64_t ms_since(group_time x) const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(self->now()
                                                                 - x)
      .count();
  }

  /// Beside the line that operators know: the rule, what it was made from, and
  /// what was not done.
  void tell_decision(decision_note x) const {
    auto& s = st();
    if (!s.told.is_news(x))
      return;
    // The policies in force may be those of an earlier configuration.
    const auto& policies = cfg().policies;
    auto index = static_cast<size_t>(std::max(x.policy, 0));
    if (x.policy >= 0 && index < policies.size())
      x.periods = fmt::format("{}", fmt::join(policies[index].periods, ", "));
    s.metrics->decided(x.rule);
    for (const auto& y : x.cordoned)
      s.metrics->decided(y.rule);
    if (!x.taken_back.empty())
      s.metrics->decided(decision_rule::taken_back);
    for (const auto& y : x.not_taken)
      if (y.rule != x.rule)
        s.metrics->decided(y.rule);
    note(self, x);
    if (!s.told.is_line(x, self->now()))
      return;
    auto with = fields();
    with.emplace_back("rule", to_string(x.rule));
    with.emplace_back("action", action_text(x));
    with.emplace_back("why", reason_text(x));
    if (auto left_out = options_text(x); !left_out.empty())
      with.emplace_back("not_done", left_out);
    with.emplace_back("policy", policy_text(x));
    with.emplace_back("wanted_slots", std::to_string(x.wanted));
    with.emplace_back("free_slots", std::to_string(x.idle));
    with.emplace_back("not_listed", std::to_string(x.requests));
    log::info("scaling decision", with);
  }

  /// The first refusal, and those by another rule than the one before.
  void tell_refusal(const acquisition_key& key, decision_rule rule,
                    const slot_room& room) const {
    auto& s = st();
    if (std::exchange(s.refused_by, rule) == rule)
      return;
    s.metrics->decided(rule);
    refusal_note out;
    out.key = key;
    out.rule = rule;
    out.idle = room.idle;
    out.acquired = room.acquired;
    out.reserved = s.promises.reserved();
    out.max_instances = room.max_instances;
    out.capacity_per_instance = room.capacity_per_instance;
    note(self, out);
    if (!s.told.may_repeat(rule, self->now()))
      return;
    auto with = fields();
    with.emplace_back("rule", to_string(rule));
    with.emplace_back("why", reason_text(out));
    log::info("no slot can be promised, GitLab is not asked for a job", with);
  }

  void tell_given_up(int count) const {
    if (count <= 0)
      return;
    st().metrics->decided(decision_rule::request_expired);
    request_note out{count,
                     std::chrono::milliseconds{request_patience}.count()};
    note(self, out);
    auto with = fields();
    with.emplace_back("amount", std::to_string(count));
    with.emplace_back("rule", to_string(decision_rule::request_expired));
    log::warning(fmt::format("instances that were asked for have not appeared "
                             "within {}: they are given up, and asked for "
                             "again if they are still wanted",
                             spoken(request_patience)),
                 with);
  }

  /// The provider learns its settings once. Nothing new is asked of the old
  /// one, and it ends when all has been answered.
  void begin_exchange() const {
    auto& s = st();
    if (!s.provider || s.provider_exchange == exchange::ending) {
      // What is started next is the new one.
      if (s.provider_exchange == exchange::none)
        s.provider_exchange = exchange::trying;
      return;
    }
    s.provider_exchange = exchange::waiting;
    check_exchange();
  }

  void check_exchange() const {
    auto& s = st();
    if (s.provider_exchange != exchange::waiting || !s.increases_out.empty()
        || !s.decreases_out.empty() || s.listing_out)
      return;
    s.provider_exchange = exchange::ending;
    self->send_exit(s.provider, caf::exit_reason::user_shutdown);
  }

  /// Whether something may be asked of the provider: not of one that may turn
  /// out to be of another group.
  bool may_ask() const {
    return st().provider && st().provider_exchange == exchange::none;
  }

  /// The new settings turned out to be of no use, or those of another group:
  /// the instances of this one would be nobody's.
  void keep_former(const std::string& why) const {
    auto& s = st();
    log::error(why
                 + ". Until then the plugin goes on with the former "
                   "plugin_config and connector_config",
               fields());
    auto kept = std::make_shared<runner_config>(*s.config);
    const auto& former = *s.former.runner->autoscaler;
    kept->autoscaler->plugin_config_json = former.plugin_config_json;
    kept->autoscaler->connector = former.connector;
    s.config = std::move(kept);
    s.make_provider = std::exchange(s.former, {}).make_provider;
    s.replaces = false;
    s.provider_exchange = exchange::ending;
    self->send_exit(s.provider, caf::exit_reason::user_shutdown);
  }

  void settle_exchange() const {
    auto& s = st();
    s.former = {};
    if (s.provider_exchange == exchange::trying)
      s.provider_exchange = exchange::none;
    if (std::exchange(s.replaces, false)) {
      s.replaced_at = self->now();
      replace_instances();
    }
  }

  void on(const known_instances& x) const {
    if (x.why && st().keeps_instances) { // nobody knows what is left on them
      self->quit(x.why);
      return;
    }
    if (x.why)
      log::error("what the journal knows of the instances cannot be read; "
                 "instances found are removed for safety",
                 fields(x.why));
    for (const auto& one : x.instances)
      note_known(one);
    list_now();
  }

  void note_known(const known_instance& x) const {
    auto& s = st();
    s.known[x.instance] = x;
    for (const auto* keys : {&x.leftovers, &x.jobs})
      if (!keys->empty() && (keys == &x.leftovers || !s.keeps_instances))
        s.leftovers[x.instance].insert(keys->begin(), keys->end());
  }

  // -- what the journal knows -------------------------------------------------

  int64_t unix_ms() const {
    return setup->edge->unix_us() / 1000;
  }

  /// A moment as the journal has it, on this clock: never in the future, also
  /// if the wall clock was set back meanwhile.
  group_time moment_of(int64_t ms) const {
    auto ago = std::clamp<int64_t>(unix_ms() - ms, 0, longest_ago.count());
    return self->now() - std::chrono::milliseconds{ago};
  }

  int64_t unix_ms_of(group_time x) const {
    auto ago = std::chrono::duration_cast<std::chrono::milliseconds>(
      self->now() - std::max(x, self->now() - longest_ago));
    return unix_ms() - ago.count();
  }

  /// What is written of an instance beside its use count.
  struct written {
    int64_t last_use_ms = 0;
    int64_t provisioned_at_ms = 0;
    std::string leaves = {};
  };

  void note_in_journal(const instance_id& id, const written& x) const {
    const auto* book = st().instances.find(id);
    if (book == nullptr)
      return;
    write_instance row;
    row.group = st().id;
    row.instance = id;
    row.use_count = uses(*book);
    row.last_use_ms = x.last_use_ms;
    row.provisioned_at_ms = x.provisioned_at_ms;
    row.leaves = x.leaves;
    self->send(setup->journal, std::move(row));
  }

  // -- listings ---------------------------------------------------------------

  void list_now() const {
    auto& s = st();
    if (s.listing_out || !may_ask())
      return;
    s.listing_out = true;
    s.listing_calls.spend(self->now(), cfg().update_interval_when_expecting);
    s.list_due = {};
    ++s.list_ticks;
    self->send(s.provider, list_instances{++s.listings});
  }

  /// Something was asked for: look soon.
  void expect_change() const {
    st().changed_at = self->now();
    if (!st().listing_out)
      arm_listing();
  }

  void arm_listing() const {
    if (!st().provider) // the tick that is out starts it, after its pause
      return;
    list_at(self->now() + listing_wait());
  }

  time_point::duration listing_wait() const {
    auto& s = st();
    listing_hopes hopes{s.cloud.expects_change() || misses_claimed(),
                        s.cloud.expects_instance()};
    auto wait = listing_pause(
      hopes,
      std::chrono::duration_cast<std::chrono::milliseconds>(self->now()
                                                            - s.changed_at),
      {cfg().update_interval, cfg().update_interval_when_expecting});
    return std::max(wait, std::min(s.listing_calls.pause(self->now()),
                                   cfg().update_interval_when_expecting));
  }

  void list_at(time_point when) const {
    st().list_due = when;
    send_later(self, when, list_tick{++st().list_ticks});
  }

  /// An instance was lost: what the cloud says of it now is asked soon, and
  /// sooner if another one is waited for. A listing that is under way may still
  /// have it.
  void look_again() const {
    auto& s = st();
    auto was_out = std::exchange(s.listing_out, false);
    if (was_out) {
      ++s.listings;
      check_exchange();
    }
    if (!s.provider)
      return;
    auto at
      = self->now() + std::min<time_point::duration>(listing_wait(), 500ms);
    auto sooner = s.list_due > self->now() && s.list_due <= at;
    if (was_out || !sooner)
      list_at(at);
  }

  void on(const list_tick& x) const {
    if (x.number != st().list_ticks)
      return;
    if (!st().provider)
      start_provider();
    else
      list_now();
  }

  void on(const listing& x) const {
    auto& s = st();
    if (x.number != s.listings)
      return;
    s.listing_out = false;
    check_exchange();
    auto failed_before
      = std::exchange(s.listing_failed, static_cast<bool>(x.why));
    if (x.why) {
      log::error("reconcile", fields(x.why));
      list_at(self->now() + pause_after(s.listing_failures++));
      return;
    }
    s.listing_failures = 0;
    s.listed_at = self->now();
    if (self->now() >= s.provider_since + provider_trust)
      s.provider_failures = 0;
    st().metrics->did(group_operation::reconcile);
    std::vector<listed> found;
    for (const auto& one : x.instances)
      found.push_back({one.instance, one.state});
    auto open = s.cloud.requests() + s.cloud.unconfirmed();
    auto seen = s.cloud.reconcile(found, self->now(), absence_min());
    for (const auto& one : seen)
      observe(one);
    forget_lost(found);
    give_up_claims();
    auto was_ready = std::exchange(s.ready, true);
    if (!was_ready)
      self->send(setup->parent, group_ready{s.id});
    arm_listing();
    auto told_nothing
      = seen.empty() && open == 0 && was_ready && !failed_before && !s.draining;
    if (!told_nothing || self->now() >= s.decided_at + decide_again)
      decide_soon();
  }

  /// That listings come quickly while something is expected must not make a
  /// short fault of them the end of an instance.
  time_point::duration absence_min() const {
    return cloud_view::missed_max * cfg().update_interval_when_expecting;
  }

  /// A given host may come back as it was. A machine that does has something of
  /// former jobs, or was to be deleted.
  void forget_lost(const std::vector<listed>& found) const {
    auto& s = st();
    std::erase_if(s.lost, [&](const auto& x) {
      auto is_over = (s.keeps_instances || x.second.until < self->now())
                     && std::ranges::find(found, x.first, &listed::instance)
                          == found.end();
      if (is_over && !s.keeps_instances)
        s.leftovers.erase(x.first);
      return is_over;
    });
  }

  void tell_metrics(const observation& x) const {
    auto& to = *st().metrics;
    const auto& id = x.instance.value;
    auto was_missed = x.what == observation::kind::missed
                      || (x.what == observation::kind::gone
                          && x.state == cloud_state::timeout && x.missed > 0);
    if (was_missed)
      to.missed();
    if (x.what == observation::kind::gone)
      to.gone(id, self->now());
    else if (x.what != observation::kind::missed)
      to.seen(id, x.state, self->now(),
              x.requested == group_time{} ? std::nullopt
                                          : std::optional{x.requested});
  }

  void observe(const observation& x) const {
    tell_metrics(x);
    switch (x.what) {
      case observation::kind::discovered:
        discover(x);
        break;
      case observation::kind::changed: {
        st().changed_at = self->now();
        auto with = fleeting_fields(x.instance);
        with.emplace_back("state", to_string(x.state));
        log::info("instance update", with);
        if (x.state == cloud_state::deleting)
          st().instances.cloud_deletes(x.instance);
        else // else nobody would ask for its removal when it has drained
          st().instances.cloud_keeps(x.instance);
        tell(x.instance, provider_state{x.state});
        break;
      }
      case observation::kind::missed:
        break;
      case observation::kind::gone:
        pruned(x);
        break;
    }
  }

  template <class Message>
  void tell(const instance_id& id, Message what) const {
    auto found = st().actors.find(id);
    if (found != st().actors.end())
      self->send(found->second, std::move(what));
  }

  void discover(const observation& x) const {
    auto& s = st();
    s.changed_at = self->now();
    auto with = fleeting_fields(x.instance);
    with.emplace_back("state", to_string(x.state));
    with.emplace_back("cause", to_string(x.cause));
    log::info("instance discovery", with);
    auto known = s.known.find(x.instance);
    auto known_one = known != s.known.end();
    auto is_foreign = !known_one && x.cause == instance_cause::preexisted
                      && !s.keeps_instances;
    auto gone = take_lost(x.instance);
    auto has_its_id = gone && is_another(x, *gone);
    known_instance before;
    if (known_one)
      before = known->second;
    else if (has_its_id && !gone->was_clean)
      before.use_count = gone->use_count; // in case it is no other
    auto use_count = add(x, before);
    s.coming[x.instance]
      = x.requested == group_time{} ? self->now() : x.requested;
    if (x.requested != group_time{} && x.requested <= s.replaced_at)
      s.instances.cordon(x.instance, retire_reason::reconfigured);
    if (x.state == cloud_state::deleting)
      s.instances.cloud_deletes(x.instance);
    start_instance(x, use_count); // counts the jobs that go on there
    if (!is_foreign)
      note_in_journal(x.instance,
                      {.provisioned_at_ms = unix_ms_of(
                         s.instances.find(x.instance)->provisioned_at)});
    // One that was lost a moment ago is not taken for a new one: it would be
    // dialed and lost again, in the place of one that works.
    // Of a machine that comes back, what is left there is ended instead.
    auto refuse_it = [this, &x](decision_rule rule, const std::string& reason) {
      tell_instance(x.instance, instance_event::refused, rule, reason);
      tell(x.instance, retire{reason});
    };
    if (gone && !has_its_id
        && (s.keeps_instances || self->now() <= gone->until)) {
      refuse_it(decision_rule::lost_before,
                "instance is unhealthy: it was lost before");
    } else if (is_foreign) {
      refuse_it(decision_rule::unknown_instance,
                "no data on pre-existing instance so removing for safety");
    } else if (known_one && !known->second.leaves.empty()) {
      // By an earlier manager, or its actor has failed since.
      refuse_it(decision_rule::satisfied, known->second.leaves);
    } else if (!s.keeps_instances && known_one && has_unclaimed(known->second)
               && !cfg().keep_instance_with_acquisitions) {
      refuse_it(decision_rule::job_left,
                "pre-existing instance has acquisition so removing for safety");
    } else if (removes_all()) { // asked for before, and seen only now
      refuse_it(decision_rule::shutdown, shutdown_reason);
    } else {
      tell_instance(x.instance, instance_event::found);
    }
    tell(x.instance, provider_state{x.state});
  }

  /// If it is one that is gone; it is not looked for any more.
  std::optional<group_state::gone_machine>
  take_lost(const instance_id& id) const {
    auto row = st().lost.extract(id);
    return row.empty() ? std::nullopt : std::optional{row.mapped()};
  }

  /// Some clouds give the id of a machine that is gone to the next one: what is
  /// being created, and was asked for or comes after a removal, is that. Clouds
  /// err in that, too: what jobs may have left is ended there before it serves,
  /// and their use of it counts.
  static bool is_another(const observation& x,
                         const group_state::gone_machine& gone) {
    return x.state == cloud_state::creating
           && (gone.was_clean || x.cause == instance_cause::requested);
  }

  /// Returns the use count without the jobs that go on there. Its clocks go on
  /// where they were.
  int32_t add(const observation& x, const known_instance& known) const {
    auto provisioned = known.provisioned_at_ms > 0
                         ? moment_of(known.provisioned_at_ms)
                         : self->now();
    auto last_use = known.last_use_ms > 0 ? moment_of(known.last_use_ms)
                                          : group_time::min();
    // Jobs that go on there are in that count, and count again with their
    // slots.
    auto claimed = std::ranges::count_if(st().claims, [&x](const auto& row) {
      return row.second.what.instance == x.instance;
    });
    auto use_count
      = std::max(0, known.use_count - static_cast<int32_t>(claimed));
    st().instances.add(x.instance, x.cause, provisioned, use_count, last_use);
    return use_count;
  }

  /// Jobs may be there since the instance could have more: it keeps their slots
  /// and gets no other job.
  int32_t slots_for(const instance_id& id) const {
    auto out = cfg().capacity_per_instance;
    for (const auto& [key, held] : st().claims)
      if (held.what.instance == id && held.what.slot < slots_max)
        out = std::max(out, held.what.slot + 1);
    if (out > cfg().capacity_per_instance)
      st().instances.cordon(id, retire_reason::reconfigured);
    return out;
  }

  /// Whether something of a job may be there that nobody looks after: slots
  /// that are claimed are cleaned before they are free.
  bool has_unclaimed(const known_instance& x) const {
    auto unclaimed
      = [this](const auto& key) { return st().claims.count(key) == 0; };
    return std::any_of(x.jobs.begin(), x.jobs.end(), unclaimed)
           || std::any_of(x.leftovers.begin(), x.leftovers.end(), unclaimed);
  }

  bool misses_claimed() const {
    return std::any_of(
      st().claims.begin(), st().claims.end(), [this](const auto& row) {
        return st().actors.count(row.second.what.instance) == 0;
      });
  }

  void give_up_claims() const {
    auto& s = st();
    for (auto row = s.claims.begin(); row != s.claims.end();) {
      auto& held = row->second;
      auto is_there = s.actors.count(held.what.instance) > 0;
      if (is_there || ++held.missed < claim_misses
          || self->now() < held.since + absence_min()) {
        ++row;
        continue;
      }
      refuse(held.what, "it is not among the instances that the cloud lists");
      row = s.claims.erase(row);
    }
  }

  void refuse(const claim& x, const std::string& why) const {
    if (!x.asker.handle)
      return;
    acquired answer;
    answer.key = x.key;
    answer.instance = x.instance;
    answer.why = error_of(instance_errc::removed_externally, why);
    self->send(as<acquirer_actor>(x.asker), std::move(answer));
  }

  void start_instance(const observation& x, int32_t use_count) const {
    instance_setup with;
    with.role = setup->role + "/instance:" + x.instance.value;
    with.group = st().id;
    with.id = x.instance;
    with.options.capacity = slots_for(x.instance);
    with.options.ready_command = cfg().instance_ready_command;
    with.options.prepare_timeout = cfg().connector.timeout;
    with.options.failure_threshold = cfg().failure_threshold;
    with.options.image = image_of(*st().config);
    if (st().config->docker) {
      with.options.engine_host = st().config->docker->host;
      with.options.clean_timeout = containers_clean_timeout;
    }
    with.options.heartbeat = flag_value(
      *st().config, [](auto) { return std::nullopt; },
      "FF_USE_FLEETING_ACQUIRE_HEARTBEATS");
    with.use_count = use_count;
    with.parent = caf::actor_cast<instance_parent_actor>(self);
    with.provider = caf::actor_cast<provider_gate_actor>(self);
    for (const auto& [key, held] : st().claims)
      if (held.what.instance == x.instance) {
        with.claims.push_back({key, held.what.slot, held.what.asker});
        // Taken from now on, before the instance says so.
        st().instances.claim({x.instance, held.what.slot}, key);
      }
    if (auto left = st().leftovers.find(x.instance);
        left != st().leftovers.end())
      for (const auto& key : left->second)
        if (st().claims.count(key) == 0)
          with.leftovers.push_back(key);
    with.dialer = setup->dialer;
    with.journal = setup->journal;
    with.log_fields = fields();
    auto made = spawn_instance(self, std::move(with));
    self->monitor(made);
    st().actors[x.instance] = made;
  }

  void pruned(const observation& x) const {
    auto with = fleeting_fields(x.instance);
    with.emplace_back("lifetime", spoken_since(x.since));
    if (x.was_asked || x.missed == 0) {
      log::info("instance pruned", with);
    } else {
      with.emplace_back("missed_updates", std::to_string(x.missed));
      with.emplace_back("last_updated_at", spoken_since(x.last_seen) + " ago");
      log::warning("instance pruned", with);
    }
    auto reason = x.missed > 0
                    ? fmt::format("instance externally removed: missing from "
                                  "{} listings of the cloud",
                                  x.missed)
                    : std::string{"instance externally removed: the cloud "
                                  "reports it deleted"};
    tell_instance(x.instance, instance_event::gone,
                  x.was_asked ? decision_rule::satisfied
                              : decision_rule::removed_outside,
                  x.was_asked ? "" : reason);
    tell(x.instance, removed_from_cloud{std::move(reason)});
    self->send(setup->journal,
               forget_instance{st().id, x.instance, st().keeps_instances});
    st().known.erase(x.instance);
    auto has_failed = st().failed.erase(x.instance) > 0;
    if (!st().keeps_instances) {
      auto was_clean = x.was_asked && !has_failed;
      st().lost[x.instance]
        = {self->now() + lost_for, was_clean, use_count_of(x.instance)};
      if (was_clean)
        st().leftovers.erase(x.instance);
    }
  }

  int32_t use_count_of(const instance_id& id) const {
    const auto* book = st().instances.find(id);
    return book == nullptr ? 0 : uses(*book);
  }

  void instance_down(const instance_id& id, const caf::error& why) const {
    auto& s = st();
    auto is_lost = is(why, instance_errc::removed_externally);
    if (is_lost)
      s.lost[id] = {self->now() + lost_for, false, use_count_of(id)};
    auto only_actor = !is_lost && !is(why, instance_errc::retired);
    if (only_actor)
      remember(id);
    if (only_actor || (is_lost && !s.keeps_instances))
      note_leftovers(id);
    if (!is(why, instance_errc::retired)) {
      auto with = fields(id);
      const auto* book = s.instances.find(id);
      if (book != nullptr) {
        std::string slots;
        for (size_t i = 0; i < book->told.slots.size(); ++i)
          if (!book->told.slots[i].key.empty())
            slots += fmt::format("{}{}:{}", slots.empty() ? "" : " ", i,
                                 book->told.slots[i].key.value);
        with.emplace_back("slots", "map[" + slots + "]");
        with.emplace_back("used", std::to_string(book->told.use_count));
        with.emplace_back("max-use-count", std::to_string(cfg().max_use_count));
      }
      with.emplace_back("err", text_of(why));
      log::error("instance unexpectedly removed", with);
      tell_instance(id, instance_event::lost, decision_rule::satisfied,
                    text_of(why));
    }
    for (const auto& key : s.instances.underway(id))
      put_back(key);
    if (is_lost && !s.keeps_instances
        && s.cloud.state_of(id) != cloud_state::deleted) // not pruned already
      self->send(setup->journal, forget_instance{s.id, id, false});
    s.instances.drop(id);
    s.actors.erase(id);
    s.coming.erase(id);
    s.cloud.forget(id, only_actor);
    st().metrics->gone(id.value, self->now());
    look_again();
    decide_soon();
  }

  /// The machine is there, and another actor takes the place of its own.
  void remember(const instance_id& id) const {
    const auto* book = st().instances.find(id);
    if (book == nullptr)
      return;
    known_instance x;
    x.instance = id;
    x.use_count = uses(*book);
    x.provisioned_at_ms = unix_ms_of(book->provisioned_at);
    if (book->last_use > group_time::min())
      x.last_use_ms = unix_ms_of(book->last_use);
    x.leaves = why_it_leaves(*book);
    st().known[id] = std::move(x);
  }

  /// Empty: it stays.
  std::string why_it_leaves(const member& x) const {
    auto told = x.told.phase >= instance_phase::draining;
    if (told && !x.told.reason.empty())
      return x.told.reason;
    if (x.cordoned || x.deletion_asked)
      return to_string(x.cordon_reason);
    auto has_failed = told || st().failed.count(x.told.instance) > 0;
    return has_failed ? to_string(retire_reason::unhealthy) : "";
  }

  /// A machine of which only the actor failed has something of the jobs that
  /// are on it; one that the cloud lists again may have.
  void note_leftovers(const instance_id& id) const {
    const auto* book = st().instances.find(id);
    if (book == nullptr)
      return;
    for (const auto& slot : book->told.slots)
      if (!slot.key.empty())
        st().leftovers[id].insert(slot.key);
    for (const auto& [slot, key] : book->underway)
      st().leftovers[id].insert(key);
  }

  // -- reservations -----------------------------------------------------------

  void decide_soon() const {
    if (!std::exchange(st().deciding, true))
      self->send(self, decide{});
  }

  policy policy_now() const {
    auto seconds = std::chrono::seconds{setup->edge->unix_us() / 1'000'000};
    return st().policies.at(schedule::time{seconds});
  }

  scaling scaling_of(const policy& x) const {
    auto out = st().limits;
    out.idle_count = x.idle_count;
    out.scale_factor = x.scale_factor;
    out.scale_factor_limit = x.scale_factor_limit;
    return out;
  }

  /// While instances fail to come no more jobs are taken than the next one
  /// would serve: with others in GitLab, other runners can have them.
  slot_room room_now(const policy& now) const {
    const auto& s = st();
    auto out = room_of(s.instances, scaling_of(now), s.cloud.requests());
    auto fails = s.growth.is_failing() || s.increase_failures > 0 || !s.provider
                 || s.listing_failed;
    if (fails && cfg().reservation_throttling)
      out.growth_max = s.limits.capacity_per_instance;
    return out;
  }

  void on(const reserve& x) const {
    auto& s = st();
    reserved answer{x.key, {}};
    if (!s.ready || s.draining) {
      answer.why = error_of(capacity_errc::no_capacity,
                            "no capacity: the group is not ready");
      tell_refusal(x.key, decision_rule::not_ready, {});
    } else {
      auto now = policy_now();
      auto room = room_now(now);
      auto done
        = s.promises.reserve(x.key, room, now.idle_count, now.preemptive);
      if (!done) {
        answer.why = error_of(done.error());
        auto left = capacity_left(room, s.promises.reserved());
        auto preemptive = left.potential > 0;
        s.metrics->did(preemptive
                         ? task_operation::reserve_available_capacity_failure
                         : task_operation::reserve_iop_capacity_failure);
        tell_refusal(x.key,
                     preemptive ? decision_rule::preemptive
                                : decision_rule::no_capacity,
                     room);
      } else {
        s.metrics->did(task_operation::reserve);
        s.refused_by = decision_rule::satisfied;
      }
    }
    s.starved |= static_cast<bool>(answer.why);
    self->send(setup->parent, std::move(answer));
  }

  void on(const unreserve& x) const {
    st().metrics->did(task_operation::unreserve);
    st().claims.erase(x.key);
    st().promises.unreserve(x.key);
    // As GitLab Runner counts a wait that ends without a slot, for whatever
    // reason.
    if (st().acquirers.erase(x.key) > 0)
      st().metrics->did(task_operation::acquire_timeout);
    st().notices.erase(x.key);
    decide_soon();
  }

  void on(const claim& x) const {
    auto& s = st();
    s.claims[x.key] = {x, 0, self->now()};
    auto found = s.actors.find(x.instance);
    if (found != s.actors.end()
        && s.instances.claim({x.instance, x.slot}, x.key))
      self->send(found->second, occupy{x.key, x.slot, x.asker});
  }

  void on(const acquire& x) const {
    if (x.renewed)
      st().promises.reserve(x.key, {.idle = INT32_MAX}, 0, false);
    auto by = self->now() + std::chrono::milliseconds{x.timeout_ms};
    auto done = st().promises.wait(x.key, self->now(), by);
    if (!done) {
      st().metrics->did(task_operation::acquire_capacity_failure);
      answer_failed(x, error_of(done.error()));
      return;
    }
    st().acquirers[x.key] = x;
    decide_soon();
  }

  void answer_failed(const acquire& x, const caf::error& why) const {
    acquired answer;
    answer.key = x.key;
    answer.why = why;
    self->send(as<acquirer_actor>(x.asker), std::move(answer));
  }

  void put_back(const acquisition_key& key) const {
    st().promises.refused(key);
  }

  void on(const slot_occupied& x) const {
    auto& s = st();
    if (!x.accepted) {
      s.instances.occupy_refused(x.key);
      if (auto held = s.claims.find(x.key); held != s.claims.end()) {
        refuse(held->second.what, "the instance does not have the job's slot");
        s.claims.erase(held);
        tell(x.instance, retire{"a job is there that has no slot"});
      }
      put_back(x.key);
      decide_soon();
      return;
    }
    s.instances.occupy_accepted(x.key);
    if (auto held = s.claims.find(x.key); held != s.claims.end()) {
      if (const auto& asker = held->second.what.asker; asker.handle)
        self->send(
          as<acquirer_actor>(asker),
          acquired{x.key, x.instance, x.slot, x.slot_peer, "", "", {}});
      s.claims.erase(held);
      return;
    }
    auto row = s.acquirers.find(x.key);
    if (!s.promises.confirm(x.key) || row == s.acquirers.end()) {
      self->send(as<slot_actor>(x.slot_peer), vacate_slot{x.key});
      return;
    }
    st().metrics->did(task_operation::acquire);
    note_in_journal(x.instance, {.last_use_ms = unix_ms()});
    acquired answer{x.key, x.instance, x.slot, x.slot_peer, "", "", {}};
    if (cfg().log_internal_ip)
      answer.internal_address = x.internal_address;
    if (cfg().log_external_ip)
      answer.external_address = x.external_address;
    self->send(as<acquirer_actor>(row->second.asker), std::move(answer));
    s.acquirers.erase(row);
    s.notices.erase(x.key);
  }

  void on(const instance_status& x) const {
    instance_report report{x.instance, x.phase,  {},       x.use_count,
                           x.failures, x.reason, x.version};
    for (const auto& slot : x.slots)
      report.slots.push_back({slot.phase, slot.key});
    const auto* before = st().instances.find(x.instance);
    auto is_cleaned = before != nullptr && !st().draining && !st().starved
                      && is_only_cleaned(before->told, report);
    auto used = before != nullptr ? before->told.use_count : 0;
    auto was_taken = before != nullptr && has_taken(*before);
    auto leaving = before != nullptr
                   && before->told.phase < instance_phase::draining
                   && x.phase >= instance_phase::draining;
    auto prepared
      = before != nullptr && before->told.phase <= instance_phase::preparing;
    if (x.failed)
      st().failed.insert(x.instance);
    if (!x.problem.empty() && prepared)
      st().problem = x.problem;
    // What is on its way there is looked up when its end is told, which is
    // next.
    auto is_gone = x.phase == instance_phase::gone;
    if (is_gone)
      st().instances.cloud_deletes(x.instance);
    else if (!st().instances.update(std::move(report), self->now()))
      return;
    if (prepared && x.failed && leaving)
      tell_unprepared(x);
    if (x.phase == instance_phase::ready)
      st().metrics->ready(x.instance.value, self->now());
    if (prepared && x.phase == instance_phase::ready) {
      st().leftovers.erase(x.instance); // else it would not be ready
      st().growth.instance_ready();
      st().problem.clear();
      st().refusal.clear();
      tell_ready(x.instance);
    } else if (prepared && x.failed && !st().keeps_instances) {
      st().growth.instance_failed(self->now());
    }
    if (leaving) {
      auto with = fields(x.instance);
      with.emplace_back("reason", x.reason);
      log::info("instance marked for removal", with);
      tell_leaving(x);
    }
    if (!is_gone)
      write_down(x.instance, used, was_taken, leaving ? x.reason : "");
    if (is_cleaned) // decided on when that is over
      tell_counts();
    else
      decide_soon();
  }

  /// As GitLab Runner says it where it says it, too: `connection preparation
  /// failed`.
  void tell_unprepared(const instance_status& x) const {
    constexpr std::string_view head = "instance ";
    auto colon = x.reason.find(": ");
    auto is_known = x.reason.starts_with(head) && colon != std::string::npos;
    auto with = fields(x.instance);
    with.emplace_back("err", is_known ? x.reason.substr(colon + 2) : x.reason);
    log::error(is_known ? x.reason.substr(head.size(), colon - head.size())
                        : "the instance did not become ready",
               with);
  }

  void tell_ready(const instance_id& id) const {
    auto& s = st();
    tell_instance(id, instance_event::ready);
    auto since = s.coming.find(id);
    if (since == s.coming.end())
      return;
    const auto* book = s.instances.find(id);
    if (book != nullptr && book->cause == instance_cause::requested)
      s.boots.add(std::chrono::milliseconds{ms_since(since->second)});
    s.coming.erase(since);
  }

  /// A cordoned one was counted when that was decided.
  void tell_leaving(const instance_status& x) const {
    const auto* book = st().instances.find(x.instance);
    auto is_cordoned = book != nullptr && book->cordoned;
    tell_instance(x.instance, instance_event::retired,
                  x.failed && !is_cordoned ? decision_rule::unhealthy
                                           : decision_rule::satisfied,
                  x.reason);
    st().coming.erase(x.instance);
  }

  void write_down(const instance_id& id, int32_t used, bool was_taken,
                  const std::string& leaves) const {
    const auto* book = st().instances.find(id);
    if (book == nullptr)
      return;
    auto was_used
      = book->told.use_count != used || (was_taken && !has_taken(*book));
    if (was_used || !leaves.empty())
      note_in_journal(
        id, {.last_use_ms = was_used ? unix_ms() : 0, .leaves = leaves});
  }

  // -- deciding ---------------------------------------------------------------

  void on(const decide&) const {
    auto& s = st();
    s.deciding = false;
    s.decided_at = self->now();
    if (!s.ready) {
      if (s.draining)
        check_drained();
      return;
    }
    auto now = self->now();
    tell_given_up(s.cloud.give_up(s.listed_at));
    for (const auto& key : s.promises.expire(now))
      expire(key);
    serve(); // what these take is not free for the warm pool any more
    auto next = group_time::max();
    if (!s.draining)
      next = scale(now);
    remove_due(now);
    serve();
    // Without provider there is nothing to ask; a drain looks often by itself.
    auto asks = may_ask() && !s.draining;
    next = std::min({next, tell_waiting(now),
                     asks ? s.instances.next_deletion() : never,
                     s.promises.next_deadline()});
    arm(next);
    tell_counts();
    if (s.starved && !s.draining)
      offer_capacity();
    if (s.draining)
      check_drained();
  }

  void tell_counts() const {
    const auto& s = st();
    const auto& slots = s.instances.counts();
    auto pending = s.cloud.accepted();
    st().metrics->counts({s.cloud.requests() - pending, slots.idle,
                          s.promises.pending(), slots.acquired,
                          s.promises.reserved(), slots.unavailable, pending});
  }

  void expire(const acquisition_key& key) const {
    st().metrics->did(task_operation::acquire_timeout);
    auto row = st().acquirers.find(key);
    if (row == st().acquirers.end())
      return;
    answer_failed(row->second,
                  error_of(capacity_errc::acquire_timed_out,
                           waiting_text(facts_for(key, instances_coming()))));
    st().acquirers.erase(row);
    st().notices.erase(key);
  }

  /// In the order in which they may be ready.
  std::vector<coming_instance> instances_coming() const {
    const auto& s = st();
    using step = coming_instance::step;
    std::vector<coming_instance> out;
    auto ms
      = [this](group_time x) { return std::chrono::milliseconds{ms_since(x)}; };
    for (const auto& [id, since] : s.coming) {
      const auto* book = s.instances.find(id);
      if (book == nullptr || book->cordoned
          || book->told.phase > instance_phase::preparing)
        continue;
      out.push_back({id.value,
                     book->told.phase == instance_phase::creating
                       ? step::booting
                       : step::preparing,
                     ms(since)});
    }
    std::ranges::stable_sort(out, [](const auto& a, const auto& b) {
      return std::tuple{a.at, a.since} > std::tuple{b.at, b.since};
    });
    for (auto at : s.cloud.requested_at())
      out.push_back({"", step::asked, ms(at)});
    return out;
  }

  waiting_facts facts_for(const acquisition_key& key,
                          const std::vector<coming_instance>& coming) const {
    const auto& s = st();
    const auto& counts = s.instances.counts();
    waiting_facts out;
    auto place = s.promises.position(key);
    out.ahead = place ? std::optional{*place - 1} : std::nullopt;
    out.starting = counts.not_ready + s.cloud.requests();
    if (!coming.empty()) {
      auto each = static_cast<size_t>(std::max(1, cfg().capacity_per_instance));
      auto before = out.ahead.value_or(0) / each;
      out.next = coming[std::min(before, coming.size() - 1)];
    }
    out.usual = s.boots.usual();
    out.instances = counts.instances + s.cloud.requests();
    out.instances_max = s.limits.max_instances;
    out.slots_taken = counts.acquired + counts.cleaning;
    out.no_provider = !s.provider;
    out.may_not_grow = s.growth.is_pausing(self->now());
    // What an instance said tells more.
    out.problem = s.problem.empty() ? s.refusal : s.problem;
    return out;
  }

  /// Tells who waits what for; returns when to look again.
  group_time tell_waiting(time_point now) const {
    auto& s = st();
    auto next = never;
    if (now < s.next_notice)
      return s.acquirers.empty() ? never : s.next_notice;
    std::optional<std::vector<coming_instance>> coming;
    for (const auto& [key, x] : s.acquirers) {
      auto since = s.promises.waiting_since(key);
      if (!since)
        continue;
      auto& told = s.notices.try_emplace(key, *since).first->second;
      if (now >= told.next()) {
        if (!coming)
          coming = instances_coming();
        auto facts = facts_for(key, *coming);
        if (told.is_due(waiting_substance(facts), now))
          self->send(as<acquirer_actor>(x.asker),
                     acquire_waits{key, waiting_text(facts)});
      }
      next = std::min(next,
                      told.next() > now ? told.next() : now + notice_interval);
    }
    s.next_notice = next == never ? now : std::max(next, now + 1s);
    return next == never ? never : s.next_notice;
  }

  group_time scale(time_point now) const {
    auto& s = st();
    auto in_force = policy_now();
    decision_input in{scaling_of(in_force), in_force.idle_time,
                      s.cloud.requests(), s.cloud.unconfirmed(), now};
    auto what = decide_group(s.instances, s.promises, in);
    apply(what, s.instances);
    tell_change(what);
    for (const auto& x : what.cordon) {
      auto with = fields(x.instance);
      with.emplace_back("reason", to_string(x.reason));
      log::info("instance marked for removal", with);
    }
    if (!what.uncordon.empty() || !what.cordon.empty())
      decide_soon(); // the next one starts from what this one changed
    auto growth = grow(what, now);
    tell_decision(account_of(what, s.instances, in, in_force, growth));
    return std::min({what.next_look, growth.until, policy_change(now)});
  }

  growth_outcome grow(const group_decision& what, time_point now) const {
    auto& s = st();
    growth_outcome out;
    if (what.increase <= 0)
      return out;
    if (!may_ask()) {
      out.held_by = decision_rule::provider_lost;
      return out;
    }
    if (s.listing_failed) {
      out.held_by = decision_rule::listing_failed;
      return out;
    }
    auto allowed = s.growth.allowed(what.increase, now);
    if (allowed < what.increase) {
      out.held_by = s.growth.is_pausing(now) ? decision_rule::failure_pause
                                             : decision_rule::scale_throttle;
      out.until = s.growth.next(now);
    }
    if (now < s.increase_not_before) {
      out.held_by = decision_rule::provider_refused;
      out.until = std::min(out.until, s.increase_not_before);
    } else if (allowed > 0) {
      ask_more(allowed, now);
      out.asked = allowed;
    }
    return out;
  }

  /// The line that operators know, only when it says something new.
  void tell_change(const group_decision& what) const {
    st().metrics->wanted(what.scaling.change);
    if (!what.cordon.empty())
      st().metrics->scaled(false);
    auto info = capacity_info(what.scaling);
    auto told = fmt::format("{} {}", what.scaling.change, info);
    auto before = std::exchange(st().last_told, told);
    auto was_zero = before.empty() || before.starts_with("0 ");
    if (told == before || (what.scaling.change == 0 && was_zero))
      return;
    auto with = fields();
    with.emplace_back("required", std::to_string(what.scaling.change));
    with.emplace_back("capacity-info", info);
    with.emplace_back("rule", to_string(what.scaling.rule));
    log::info("required scaling change", with);
  }

  void ask_more(int count, time_point now) const {
    auto with = fields();
    with.emplace_back("pending", std::to_string(count));
    with.emplace_back("total_pending",
                      std::to_string(st().cloud.requests() + count));
    with.emplace_back("requesting", std::to_string(count));
    log::info("increase update", with);
    with = fields();
    with.emplace_back("amount", std::to_string(count));
    log::info("increasing instances", with);
    st().growth.asked(count, now);
    st().metrics->scaled(true);
    st().metrics->did(group_operation::provision);
    st().cloud.requested(count, now, now + 2 * request_patience);
    st().increases_out.push_back(count);
    self->send(st().provider, increase{count});
  }

  void on(const increased& x) const {
    auto& s = st();
    auto out = std::ranges::find(s.increases_out, x.asked);
    if (out == s.increases_out.end())
      return;
    s.increases_out.erase(out);
    check_exchange();
    auto with = x.why ? fields(x.why) : fields();
    with.emplace_back("num_requested", std::to_string(x.asked));
    with.emplace_back("num_successful", std::to_string(x.accepted));
    if (x.why)
      log::error("increasing instances failure", with);
    else
      log::info("increasing instances response", with);
    s.cloud.answered(x.asked, x.accepted, !is(x.why, provider_errc::timed_out),
                     self->now() + request_patience);
    expect_change();
    s.refusal = x.why ? text_of(x.why) : "";
    // What was refused is wanted again, but not in a loop without a pause.
    if (x.accepted < x.asked) {
      s.increase_not_before = self->now() + pause_after(s.increase_failures++);
    } else {
      s.increase_failures = 0;
    }
    decide_soon();
  }

  /// What was refused is asked for again, but ever more slowly: the cloud may
  /// limit calls.
  std::chrono::milliseconds pause_after(int failures) const {
    auto pause
      = cfg().update_interval_when_expecting * (1 << std::min(failures, 10));
    return std::min<std::chrono::milliseconds>(pause, cfg().update_interval);
  }

  group_time policy_change(time_point now) const {
    auto wall = schedule::time{
      std::chrono::seconds{setup->edge->unix_us() / 1'000'000}};
    auto next = st().policies.next_change(wall);
    if (next == schedule::time::max())
      return group_time::max();
    return now + (next - wall);
  }

  /// When the manager stops, a deletion is asked for so often and no more.
  bool is_given_up(const instance_id& id) const {
    const auto& refused = st().refused_deletions;
    auto row = refused.find(id);
    return st().draining && row != refused.end()
           && row->second >= std::max(1, cfg().shutdown_deletion_retries);
  }

  void remove_due(time_point now) const {
    auto& s = st();
    auto ids = s.instances.deletions_due(now);
    std::erase_if(ids, [this](const auto& id) { return is_given_up(id); });
    if (!may_ask())
      return;
    if (ids.empty())
      return;
    auto with = fields();
    with.emplace_back("amount", std::to_string(ids.size()));
    log::info("decreasing instances", with);
    st().metrics->did(group_operation::removal);
    s.instances.deletion_asked(ids);
    for (const auto& id : ids) {
      const auto* book = s.instances.find(id);
      tell(id, retire{book == nullptr ? "" : to_string(book->cordon_reason)});
      s.cloud.removal_asked(id);
    }
    s.decreases_out.push_back(ids);
    decrease what{std::move(ids), {}};
    for (const auto& id : what.instances)
      if (s.failed.count(id) > 0)
        what.failed.push_back(id);
    self->send(s.provider, std::move(what));
  }

  void on(const decreased& x) const {
    auto& s = st();
    std::erase(s.decreases_out, x.asked);
    check_exchange();
    for (const auto& id : x.accepted)
      st().metrics->deletion_accepted(id.value, self->now());
    if (s.draining)
      for (const auto& id : x.asked)
        if (std::ranges::find(x.accepted, id) == x.accepted.end())
          ++s.refused_deletions[id];
    if (x.why)
      log::error("decreasing instances", fields(x.why));
    s.instances.deletion_answered(
      x.asked, x.accepted, self->now() + cfg().deletion_retry_interval,
      self->now()
        + (s.draining ? cfg().shutdown_deletion_interval
                      : pause_after(s.decrease_failures)));
    if (x.accepted.empty()) { // there is nothing to be seen
      ++s.decrease_failures;
      decide_soon();
      return;
    }
    s.decrease_failures = 0;
    if (s.keeps_instances && !x.accepted.empty()) // they may be asked for again
      s.increase_not_before = {};
    expect_change();
    decide_soon();
  }

  void serve() const {
    auto& s = st();
    for (const auto& x : assign_slots(s.instances, s.promises)) {
      auto row = s.acquirers.find(x.key);
      if (row != s.acquirers.end())
        tell(x.place.instance, occupy{x.key, x.place.slot, row->second.asker});
    }
  }

  /// A refused reservation may work now: the runner need not wait for its tick.
  void offer_capacity() const {
    auto& s = st();
    auto now = policy_now();
    auto room = room_now(now);
    auto left = capacity_left(room, s.promises.reserved());
    auto preemptive = now.preemptive && now.idle_count > 0;
    if (left.available > 0 || (!preemptive && left.potential > 0)) {
      s.starved = false;
      self->send(setup->parent, capacity_changed{});
    }
  }

  void arm(group_time at) const {
    if (at == group_time::max())
      return;
    // At most one second late, and never in a loop without a pause.
    at = std::max(at, self->now() + 1ms);
    // One that comes sooner looks again then.
    auto& due = st().timer_due;
    if (due != time_point{} && due <= at)
      return;
    due = at;
    send_later(self, at, group_timer{++st().timer});
  }

  // -- the end ----------------------------------------------------------------

  void on(const drain& x) const {
    auto& s = st();
    if (s.draining)
      return;
    s.draining = true;
    s.drain_by = self->now() + std::chrono::milliseconds{x.timeout_ms};
    if (removes_all()) {
      log::info("removing up all instances", fields());
      for (const auto& id : s.instances.instances())
        tell(id, retire{shutdown_reason});
    }
    arm(self->now() + 10ms);
    decide_soon();
  }

  bool removes_all() const {
    return st().draining && cfg().delete_instances_on_shutdown;
  }

  /// What was asked for and no listing has shown yet counts: it would come up
  /// when nobody is there to remove it. So does a slot whose job is over and
  /// whose cleaning is not: nobody would make up for it later.
  void check_drained() const {
    auto& s = st();
    auto unseen = s.cloud.requests();
    auto left = static_cast<int32_t>(s.actors.size()) + unseen;
    auto hopeless = static_cast<int32_t>(std::ranges::count_if(
      s.actors, [this](const auto& row) { return is_given_up(row.first); }));
    const auto& slots = s.instances.counts();
    auto busy = slots.acquired > 0 || slots.cleaning > 0;
    auto waits = (busy || (removes_all() && left > hopeless))
                 && self->now() < s.drain_by;
    if (waits) {
      arm(self->now() + 100ms);
      return;
    }
    if (removes_all()) {
      for (const auto& row : s.actors)
        log::warning("instance couldn't be removed", fields(row.first));
      if (unseen > 0)
        log::warning(fmt::format("{} instances were asked for and have not "
                                 "been listed yet: they are not removed; look "
                                 "for them in the cloud",
                                 unseen),
                     fields());
    }
    self->send(setup->parent, drained{left});
    self->quit();
  }
};

group_actor::behavior_type behave(self_t self, group_setup given) {
  plays(self, given.role);
  auto& st = self->state;
  // What has been counted is taken back as soon as the actor ends, not when
  // the last timer that knows of it has run out.
  st.metrics = std::move(given.metrics);
  auto setup = std::make_shared<const group_setup>(std::move(given));
  driver d{self, setup};
  st.config = setup->runner;
  st.make_provider = setup->make_provider;
  auto proven = setup->proven ? setup->proven->look() : nullptr;
  if (proven
      && concerns_provider(*proven->with.runner->autoscaler,
                           *st.config->autoscaler)) {
    st.id = proven->id;
    st.former = proven->with;
    st.provider_exchange = group_state::exchange::trying;
  }
  const auto& cfg = *st.config->autoscaler;
  d.set_limits();
  st.changed_at = self->now();
  st.growth = growth_throttle{rate_of(cfg)};
  self->monitor(setup->parent);
  self->set_down_handler([self, d, setup](const caf::down_msg& x) {
    if (x.source == setup->parent.address()) {
      self->quit(x.reason);
      return;
    }
    if (self->state.provider && x.source == self->state.provider.address()) {
      d.provider_lost(x.reason);
      return;
    }
    for (const auto& row : self->state.actors)
      if (row.second.address() == x.source) {
        d.instance_down(instance_id{row.first}, x.reason);
        return;
      }
  });
  auto policies = schedule::make(cfg.policies);
  if (policies) {
    st.policies = std::move(*policies);
    d.start_provider();
  } else {
    self->quit(error_of(policies.error()));
  }
  return {
    [d](const reserve& x) { d.on(x); },
    [d](const unreserve& x) { d.on(x); },
    [d](const acquire& x) { d.on(x); },
    [d](const claim& x) { d.on(x); },
    [d](const get_connect_info& x) {
      if (d.st().provider)
        d.self->send(d.st().provider, x);
    },
    [d](const heartbeat& x) {
      if (d.st().provider)
        d.self->send(d.st().provider, x);
    },
    [d](const decide& x) { d.on(x); },
    [d](const group_timer& x) {
      if (x.version != d.st().timer)
        return;
      d.st().timer_due = {};
      d.decide_soon();
    },
    [d](const list_tick& x) { d.on(x); },
    [d](const drain& x) { d.on(x); },
    [d](const instance_status& x) { d.on(x); },
    [d](const slot_occupied& x) { d.on(x); },
    [d](const provider_ready& x) { d.on(x); },
    [d](const listing& x) { d.on(x); },
    [d](const increased& x) { d.on(x); },
    [d](const decreased& x) { d.on(x); },
    [d](const known_instances& x) { d.on(x); },
    [d](const reconfigure_group& x) { d.on(x); },
  };
}

} // namespace

group_actor spawn_group(const spawner& at, group_setup setup) {
  return at.spawn(behave, std::move(setup));
}

} // namespace muster
