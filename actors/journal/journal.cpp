#include "actors/journal/journal.hpp"

#include "actors/journal/recipe.hpp"
#include "actors/traced.hpp"
#include "config/log.hpp"
#include "config/version.hpp"
#include "messages/type_ids.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>

namespace muster {

namespace {

using self_t = gauged_ptr<journal_actor, journal_state>;

secret bytes_of(caf::actor_system& sys, const job_payload& x) {
  std::vector<char> buffer;
  caf::binary_serializer out{sys, buffer};
  if (auto err = out(const_cast<job_payload&>(x)))
    return {};
  return secret{std::string{buffer.begin(), buffer.end()}};
}

/// Only the muster that wrote a payload reads it as a whole: its fields have no
/// names.
std::string layout_text() {
  return std::string{version_text} + " " + revision_text;
}

/// Nothing if the bytes are damaged.
std::optional<job_payload> payload_of(caf::actor_system& sys,
                                      const secret& bytes) {
  job_payload out;
  const auto& raw = bytes.reveal();
  caf::binary_deserializer in{sys, raw.data(), raw.size()};
  if (auto err = in(out))
    return std::nullopt;
  return out;
}

/// Of a payload that cannot be read number and token are known all the same:
/// GitLab can be told. Journals of version 2 have them at its beginning.
job_payload head_of(caf::actor_system& sys, const journal_job& row) {
  job_payload out;
  out.id = row.job;
  out.token = row.token;
  if (!out.token.empty())
    return out;
  const auto& raw = row.payload.reveal();
  caf::binary_deserializer in{sys, raw.data(), raw.size()};
  int64_t id = 0;
  secret token;
  if (auto err = in(id, token); !err && id == row.job)
    out.token = token;
  return out;
}

struct driver {
  self_t self;
  std::shared_ptr<journal_store> store;

  /// Said once, until writing works again.
  void note(const result<void, journal_errc>& done, const char* what) const {
    auto& failing = self->state.failing;
    if (!done && !failing)
      log::error(std::string{"the journal cannot be written: "} + what,
                 {{"err", done.error().text}});
    failing = !done;
  }

  void on(const write_job& x) const {
    journal_job row;
    row.key = x.key;
    row.job = x.payload.id;
    row.token = x.payload.token;
    row.runner = x.runner;
    row.payload = bytes_of(self->system(), x.payload);
    row.layout = layout_text();
    row.taken_us = x.taken_us;
    auto done = store->put_job(row);
    job_written answer{x.key, {}};
    if (!done)
      answer.why = error_of(done.error());
    self->send(as<journal_asker_actor>(x.asker), std::move(answer));
  }

  void on(const write_job_start& x) const {
    journal_job row;
    row.key = x.key;
    row.instance = x.instance;
    row.slot = x.slot;
    row.manager_lines = secret{encode(x.lines)};
    row.recipe = secret{encode(x.recipe)};
    job_start_written answer{x.key, {}};
    if (auto done = store->update_job_start(row); !done)
      answer.why = error_of(done.error());
    self->send(as<start_asker_actor>(x.asker), std::move(answer));
  }

  void on(const write_job_result& x) const {
    note(
      store->put_job_result(x.key, {x.success, x.exit_code, x.failure_reason}),
      "a job's result; it is told to GitLab all the same");
  }

  void on(const write_instance& x) const {
    journal_instance row;
    row.group = x.group;
    row.instance = x.instance;
    row.use_count = x.use_count;
    row.last_use_ms = x.last_use_ms;
    row.host_key = x.host_key;
    row.provisioned_at_ms = x.provisioned_at_ms;
    row.leaves = x.leaves;
    note(store->put_instance(row), "an instance");
  }

  void on(const read_instances& x) const {
    known_instances answer{x.group, {}, {}};
    auto rows = store->instances_of(x.group);
    auto jobs = store->all_jobs();
    auto leftovers = store->leftovers_of(x.group);
    if (!rows || !jobs || !leftovers) {
      answer.why = error_of(!rows   ? rows.error()
                            : !jobs ? jobs.error()
                                    : leftovers.error());
    } else {
      auto with_jobs = self->state.left_on;
      for (const auto& job : *jobs)
        with_jobs[job.instance].insert(job.key);
      std::map<instance_id, std::vector<acquisition_key>> left;
      for (auto& row : *leftovers)
        left[row.instance].push_back(std::move(row.key));
      for (const auto& row : *rows) {
        const auto& keys = with_jobs[row.instance];
        answer.instances.push_back({row.instance,
                                    row.use_count,
                                    row.last_use_ms,
                                    row.host_key,
                                    {keys.begin(), keys.end()},
                                    std::move(left[row.instance]),
                                    row.provisioned_at_ms,
                                    row.leaves});
        left.erase(row.instance);
      }
      for (auto& [instance, keys] : left) // nothing else is known of it
        answer.instances.push_back({instance, 0, 0, "", {}, std::move(keys)});
    }
    self->send(as<instances_asker_actor>(x.asker), std::move(answer));
  }

  void on(const read_host_key& x) const {
    auto found = store->host_key(x.group, x.instance);
    host_key_found answer{x.instance, found ? *found : "", {}};
    if (!found)
      answer.why = error_of(found.error());
    self->send(as<host_key_asker_actor>(x.asker), std::move(answer));
  }

  void on(const read_jobs& x) const {
    left_jobs answer;
    auto rows = store->jobs_of(x.runner);
    if (!rows) {
      answer.why = error_of(rows.error());
    } else {
      for (const auto& row : *rows)
        answer.jobs.push_back(left(row));
    }
    self->send(as<journal_asker_actor>(x.asker), std::move(answer));
  }

  left_job left(const journal_job& row) const {
    left_job out;
    out.key = row.key;
    std::optional<job_payload> whole;
    if (row.layout == layout_text())
      whole = payload_of(self->system(), row.payload);
    out.payload = whole ? *whole : head_of(self->system(), row);
    out.taken_us = row.taken_us;
    out.instance = row.instance;
    out.slot = row.slot;
    if (row.outcome) {
      out.at = left_phase::ended;
      out.success = row.outcome->success;
      out.exit_code = row.outcome->exit_code;
      out.failure_reason = row.outcome->failure_reason;
      return out;
    }
    auto lines = decode_lines(row.manager_lines.reveal());
    auto recipe = decode_recipe(row.recipe.reveal());
    if (lines)
      out.lines = std::move(*lines);
    if (lines && recipe) {
      out.at = left_phase::started;
      out.payload.project_id = recipe->project;
      out.payload.failure_reasons = recipe->failure_reasons;
      out.payload.trace_sections = recipe->sections;
      out.payload.timeout_seconds = recipe->timeout_ms / 1000;
      out.recipe = std::move(*recipe);
    } else if (row.recipe.empty() && row.instance.empty() && whole) {
      out.at = left_phase::waiting;
    }
    return out;
  }
};

} // namespace

start_journal_actor journal_starter(std::shared_ptr<journal_store> store,
                                    std::shared_ptr<metrics_sink> metrics) {
  return
    [store, metrics](caf::local_actor* from, const caf::actor_addr& parent) {
      auto made = from->spawn<caf::detached>(journal, parent, store, metrics);
      plays_edge(made, "journal");
      return made;
    };
}

journal_actor::behavior_type journal(self_t self, const caf::actor_addr& parent,
                                     std::shared_ptr<journal_store> store,
                                     std::shared_ptr<metrics_sink> metrics) {
  self->tell_depth([told = metrics->queue(told_queue::journal)](size_t depth) {
    told->holds(depth);
  });
  driver d{self, std::move(store)};
  if (auto jobs = d.store->all_jobs())
    for (const auto& job : *jobs)
      self->state.left_on[job.instance].insert(job.key);
  self->monitor(parent);
  self->set_down_handler(
    [self](const caf::down_msg& x) { self->quit(x.reason); });
  return {
    [d](const write_job& x) { d.on(x); },
    [d](const write_job_lines& x) {
      d.note(d.store->update_job_lines(x.key, secret{encode(x.lines)}),
             "how a job's log begins");
    },
    [d](const write_job_start& x) { d.on(x); },
    [d](const write_job_result& x) { d.on(x); },
    [d](const rename_runner& x) {
      for (const auto& job : x.jobs)
        d.note(d.store->rename_runner(x.from, x.to, job),
               "that a runner has another token");
    },
    [d](const forget_job& x) {
      d.note(d.store->remove_job(x.key), "that a job is over");
    },
    [d](const write_instance& x) { d.on(x); },
    [d](const forget_instance& x) {
      d.note(x.may_return ? d.store->release_instance(x.group, x.instance)
                          : d.store->remove_instance(x.group, x.instance),
             "that an instance is gone");
    },
    [d](const read_instances& x) { d.on(x); },
    [d](const read_jobs& x) { d.on(x); },
    [d](const read_host_key& x) { d.on(x); },
    [d](const write_leftover& x) {
      d.note(d.store->put_leftover({x.group, x.instance, x.key}),
             "which jobs may leave something on a machine");
    },
    [d](const forget_leftover& x) {
      d.note(d.store->remove_leftover({x.group, x.instance, x.key}),
             "that nothing of a job is left on a machine");
    },
  };
}

} // namespace muster
