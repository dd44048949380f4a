#include "tests/support/virtual_system.hpp"

namespace muster::test {

virtual_system::~virtual_system() {
  for (auto& x : owned_)
    caf::anon_send_exit(x, caf::exit_reason::kill);
  run();
  run_for(std::chrono::hours(24 * 7)); // what is left may hold a timer
}

caf::actor virtual_system::spawn_idle() {
  return kept(sys.spawn(
    [](caf::event_based_actor*) -> caf::behavior { return {[](int) {}}; }));
}

caf::actor virtual_system::spawn_logger(const std::shared_ptr<probe_log>& log) {
  return kept(sys.spawn([log](caf::event_based_actor* self) -> caf::behavior {
    self->set_default_handler(
      [log](caf::scheduled_actor*,
            caf::message_view& x) -> caf::result<caf::message> {
        log->messages.push_back(x.move_content_to_message());
        return caf::message{};
      });
    self->set_down_handler(
      [log](const caf::down_msg& x) { log->downs.push_back(x.reason); });
    return {[](int) {}};
  }));
}

caf::actor virtual_system::kept(caf::actor x) {
  owned_.push_back(x);
  return x;
}

} // namespace muster::test
