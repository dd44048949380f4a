#pragma once

#include "executors/ssh/channel.hpp"
#include "executors/ssh/options.hpp"
#include "executors/ssh/tally.hpp"

#include <functional>
#include <memory>

namespace muster::ssh {

/// A stream to a unix socket at the instance
/// (`direct-streamlocal@openssh.com`).
class stream_channel : public channel {
public:
  /// `on_end` is called once, before the sink hears `closed`.
  stream_channel(const std::string& at, const std::string& socket_path,
                 std::shared_ptr<stream_sink> sink, const ssh_options& options,
                 tally& counts, std::function<void()> on_end);

  void send(std::string bytes);

  /// The sink wants bytes again.
  void resume();

  /// Ends the stream. What is queued is still sent, for a while.
  void finish(const connection_failure& why, time_point now);

  void refused(const std::string& reason) override;
  void lost(const connection_failure& why) override;
  time_point due() const override;
  void expire(time_point now) override;

protected:
  void opened() override;
  void run(channel_work& w) override;

private:
  void read(channel_work& w);
  void tell_closed(const connection_failure& why);

  std::string at_;
  std::string socket_path_;
  std::shared_ptr<stream_sink> sink_; ///< null once it was told the end
  milliseconds linger_;
  tally& counts_;
  std::function<void()> on_end_;
  output_queue output_;
  bool paused_ = false; ///< the sink wanted nothing
  time_point linger_until_ = time_point::max();
};

} // namespace muster::ssh
