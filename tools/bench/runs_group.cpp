#include "actors/group/decision.hpp"
#include "actors/instance/instance.hpp"
#include "actors/virtual_time.hpp"
#include "tools/bench/jobs.hpp"
#include "tools/bench/scenarios.hpp"

#include <caf/all.hpp>
#include <ctime>
#include <fmt/format.h>
#include <malloc.h>

namespace muster::bench {

namespace {

using namespace std::chrono_literals;

// -- s: what a group costs ----------------------------------------------------

constexpr int many = 10'000; ///< instances
constexpr int slots = 5;     ///< of each

constexpr group_time start = group_time{} + 1000h;

double bytes_in_use() {
  return static_cast<double>(::mallinfo2().uordblks);
}

double cpu_us() {
  return static_cast<double>(std::clock()) * 1e6 / CLOCKS_PER_SEC;
}

/// A ready instance tells how its slots are.
void report(fleet& to, int number, uint64_t version, bool takes_slot) {
  instance_report x;
  x.instance = instance_id{fmt::format("i-{:017x}", number)};
  x.phase = instance_phase::ready;
  x.slots.resize(slots);
  if (takes_slot)
    x.slots[0] = {slot_phase::held,
                  acquisition_key{fmt::format("abcdefghi-{}", number)}};
  x.version = version;
  to.update(std::move(x), start);
}

fleet large_fleet() {
  fleet out{{.capacity_per_instance = slots}};
  for (auto i = 0; i < many; ++i) {
    out.add(instance_id{fmt::format("i-{:017x}", i)}, instance_cause::requested,
            start);
    report(out, i, 1, false);
  }
  return out;
}

/// A status comes in, and what follows is decided.
void measure_decisions(fleet& of, recorder& to) {
  constexpr int rounds = 1000;
  decision_input in;
  in.policy.capacity_per_instance = slots;
  in.policy.idle_count = many * slots;
  in.now = start;
  for (auto i = 0; i < rounds; ++i) {
    auto before = cpu_us();
    report(of, i * (many / rounds), 2, true);
    auto decided = decide_group(of, {}, in);
    to.add({"decision", "us", 0.5, 1000, ""}, cpu_us() - before);
    if (decided.scaling.wanted <= 0) // or nothing would be worked out
      return;
  }
  in.policy.idle_count = 0;
  auto before = cpu_us();
  auto decided = decide_group(of, {}, in);
  apply(decided, of);
  to.add({fmt::format("decision that removes {}", decided.cordon.size()), "ms",
          0.5, std::nullopt, ""},
         (cpu_us() - before) / 1000);
}

/// Memory of an instance's actors with so many slots [bytes].
double memory_of_instance(int32_t with_slots) {
  constexpr int instances = 1000;
  virtual_time time;
  auto peer = time.sys.spawn([](caf::event_based_actor* x) -> caf::behavior {
    x->set_default_handler(caf::drop);
    return {[](int) {}};
  });
  instance_setup setup;
  setup.role = "runner:abcdefghi/group/instance:i-0123456789abcdef0";
  setup.group = "group";
  setup.id = instance_id{"i-0123456789abcdef0"};
  setup.options.capacity = with_slots;
  setup.parent = caf::actor_cast<instance_parent_actor>(peer);
  setup.provider = caf::actor_cast<provider_gate_actor>(peer);
  setup.dialer = caf::actor_cast<dialer_actor>(peer);
  setup.journal = caf::actor_cast<journal_actor>(peer);
  std::vector<instance_actor> made;
  made.reserve(instances);
  auto before = bytes_in_use();
  for (auto i = 0; i < instances; ++i)
    made.push_back(spawn_instance(time.sys, setup));
  time.run(); // now they have their slots
  auto used = (bytes_in_use() - before) / instances;
  for (const auto& x : made)
    caf::anon_send_exit(x, caf::exit_reason::kill);
  caf::anon_send_exit(peer, caf::exit_reason::kill);
  time.run();
  return used;
}

result<void, bench_errc> run_decide(bed&, recorder& to, bool) {
  auto before = bytes_in_use();
  auto group = large_fleet();
  auto book = (bytes_in_use() - before) / many;
  measure_decisions(group, to);
  auto one = memory_of_instance(1);
  auto more = memory_of_instance(1 + slots);
  auto slot = (more - one) / slots;
  to.add({"memory of an instance", "KiB", 0.5, std::nullopt, ""},
         (one - slot + book) / 1024);
  to.add({"memory of a slot", "KiB", 0.5, std::nullopt, ""}, slot / 1024);
  return {};
}

bed_options no_hosts() {
  bed_options out;
  out.warm = false;
  return out;
}

} // namespace

std::vector<scenario> group_scenarios() {
  return {{"s-decide", "decisions and memory of 10,000 instances", false,
           no_hosts, run_decide, 0, false}};
}

} // namespace muster::bench
