#include "executors/shells/marked_sink.hpp"

#include "executors/shells/remote.hpp"

#include <utility>

namespace muster {

namespace {

constexpr size_t banner_max = 64u << 10; ///< [bytes]

} // namespace

void marked_sink::opened() {
  if (to_)
    to_->opened();
}

size_t marked_sink::wanted() {
  return to_ ? to_->wanted() : 0;
}

void marked_sink::data(std::string_view bytes) {
  if (!to_)
    return;
  if (begun_) {
    to_->data(bytes);
    return;
  }
  held_ += bytes;
  auto at = held_.find(remote::stream_mark);
  if (at == std::string::npos) {
    auto kept = remote::stream_mark.size() - 1;
    if (held_.size() > kept) {
      passed_over_ += held_.size() - kept;
      held_.erase(0, held_.size() - kept);
    }
    if (passed_over_ > banner_max)
      give_up();
    return;
  }
  begun_ = true;
  auto rest = std::exchange(held_, {}).substr(at + remote::stream_mark.size());
  if (!rest.empty())
    to_->data(rest);
}

void marked_sink::give_up() {
  auto to = std::exchange(to_, nullptr);
  end_();
  to->closed({connection_errc::channel_refused,
              "the start-up files of the login shell (.bashrc, .profile, "
              ".cshrc) print more than 64 KiB where no terminal is: muster's "
              "command does not come through"});
}

void marked_sink::error_data(std::string_view bytes) {
  if (to_)
    to_->error_data(bytes);
}

void marked_sink::sent(size_t bytes) {
  if (to_)
    to_->sent(bytes);
}

void marked_sink::exited(int code) {
  if (to_)
    to_->exited(code);
}

void marked_sink::closed(const connection_failure& why) {
  if (auto to = std::exchange(to_, nullptr))
    to->closed(why);
}

void open_marked_command(transport& wire, connection_id connection,
                         stream_id id, std::string command,
                         std::shared_ptr<stream_sink> sink) {
  wire.open_command(connection, id, {std::move(command), "", false},
                    std::make_shared<marked_sink>(std::move(sink), [&wire, id] {
                      wire.close_stream(id); // called by `wire`: it is there
                    }));
}

} // namespace muster
