#pragma once

#include "actors/job/job.hpp"
#include "executors/helper/frames.hpp"
#include "tests/support/scripted_transport.hpp"
#include "tests/support/virtual_system.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace muster::test {

/// A job's actor, and the test in the place of all around it. `setup` may be
/// changed before `start`.
struct job_peers {
  std::shared_ptr<scripted_transport> wire
    = std::make_shared<scripted_transport>();
  std::shared_ptr<trace_shelf> traces = std::make_shared<trace_shelf>();
  /// The wall clock [us since 1970].
  std::shared_ptr<int64_t> clock
    = std::make_shared<int64_t>(1'790'000'000'000'000);
  virtual_system world;
  probe<job_parent_actor> runner = world.spawn_probe<job_parent_actor>();
  probe<slot_source_actor> group = world.spawn_probe<slot_source_actor>();
  probe<dialer_actor> dialer = world.spawn_probe<dialer_actor>();
  probe<coordinator_actor> gitlab = world.spawn_probe<coordinator_actor>();
  probe<journal_actor> journal = world.spawn_probe<journal_actor>();
  probe<slot_actor> slot = world.spawn_probe<slot_actor>();
  std::string instance = "i-1";
  job_setup setup;
  job_actor it;
  uint64_t record = 0; ///< of the helper, the next one

  job_peers() {
    auto config = std::make_shared<runner_config>();
    config->name = "fleet";
    config->token = secret{"glrt-abcdefghijkl"};
    config->executor = "instance";
    config->feature_flags["FF_TIMESTAMPS"] = false;
    setup.runner = config;
    setup.role = "job:1";
    setup.key = acquisition_key{"k"};
    auto& payload = setup.payload;
    payload.id = 1;
    payload.token = secret{"glcbt-token-of-the-job"};
    payload.name = "build";
    payload.timeout_seconds = 3600;
    payload.git.repo_url = secret{"http://gitlab.test/group/demo.git"};
    payload.git.sha = "0123456789abcdef";
    payload.steps = {{"script", {"make"}}};
    payload.variables
      = {{"PASSWORD", secret{"hunter2hunter2"}, false, false, true, false}};
    setup.parent = runner.handle;
    setup.group = group.handle;
    setup.dialer = dialer.handle;
    setup.coordinator = gitlab.handle;
    setup.journal = journal.handle;
    auto shared = std::make_shared<edges>();
    shared->wire = wire;
    shared->traces = traces;
    shared->unix_us = [clock = clock] { return *clock; };
    shared->temp_dir = "/tmp";
    setup.edge = shared;
  }

  /// What the transport keeps of the job holds the job, which holds it.
  ~job_peers() {
    wire->streams.clear();
    wire->commands.clear();
  }

  job_peers(const job_peers&) = delete;
  job_peers& operator=(const job_peers&) = delete;

  /// Changes the runner's configuration, before the start.
  template <class Change>
  void configure(Change change) {
    auto copy = std::make_shared<runner_config>(*setup.runner);
    change(*copy);
    setup.runner = copy;
  }

  void start() {
    it = world.take(spawn_job(world.sys, setup));
  }

  void gitlab_says(int status, const char* job_status = "") {
    update_result x;
    x.key = setup.key;
    x.state = "running";
    x.info.status = status;
    x.info.job_status = job_status;
    world.send(it, x);
  }

  void gets_slot() {
    acquired x;
    x.key = setup.key;
    x.instance = instance_id{instance};
    x.slot_peer = {"slot", caf::actor_cast<caf::actor>(slot.handle)};
    world.send(it, x);
  }

  void gets_route() {
    world.send(it, stream_route{setup.key, 5, "/run/helper.sock", {}});
  }

  void start_is_written() {
    world.send(it, job_start_written{setup.key, {}});
  }

  void helper_says(const frames::frame& x) {
    wire->last_stream().sink->data(frames::encode(x));
    world.run();
  }

  std::string log() {
    auto found = traces->find(setup.key);
    if (!found)
      return "";
    found->render();
    return found->read(0, 1 << 20);
  }
};

} // namespace muster::test
