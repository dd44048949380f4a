#pragma once

#include "executors/ssh/channel.hpp"
#include "executors/ssh/options.hpp"
#include "executors/ssh/tally.hpp"

#include <functional>
#include <memory>

namespace muster::ssh {

/// A channel whose bytes are a stream for a sink.
class sink_channel : public channel {
public:
  /// `on_end` is called once, before the sink hears `closed`.
  sink_channel(const char* type, std::string message, const std::string& at,
               std::shared_ptr<stream_sink> sink, const ssh_options& options,
               tally& counts, std::function<void()> on_end);

  void send(std::string bytes);

  /// Nothing is sent behind what was given.
  void end_input();

  /// The sink wants bytes again.
  void resume();

  /// Ends the stream. What is queued is still sent, for a while.
  void finish(const connection_failure& why, time_point now);

  void lost(const connection_failure& why) override;
  time_point due() const override;
  void expire(time_point now) override;

protected:
  /// Reads one of the channel's streams within the sink's credit. Returns
  /// whether all that there is was read.
  bool read(int stream, channel_work& w);

  /// Writes what the channel takes and tells the sink how much; false when it
  /// takes nothing more for good.
  bool write(channel_work& w);

  /// Says that nothing more is sent, once it is to be said.
  void write_end(channel_work& w);
  void tell_closed(const connection_failure& why);

  std::string at_;
  std::shared_ptr<stream_sink> sink_; ///< null once it was told the end
  tally& counts_;
  output_queue output_;

private:
  milliseconds linger_;
  std::function<void()> on_end_;
  bool paused_ = false;     ///< the sink wanted nothing
  bool ends_input_ = false; ///< once all is sent
  bool input_ended_ = false;
  time_point linger_until_ = time_point::max();
};

/// A stream to a unix socket at the instance
/// (`direct-streamlocal@openssh.com`).
class stream_channel : public sink_channel {
public:
  stream_channel(const std::string& at, const std::string& socket_path,
                 std::shared_ptr<stream_sink> sink, const ssh_options& options,
                 tally& counts, std::function<void()> on_end);

  void refused(const std::string& reason) override;

protected:
  void opened() override;
  void run(channel_work& w) override;

private:
  std::string socket_path_;
};

/// A command on a session channel, its input and output a stream.
class command_channel : public sink_channel {
public:
  command_channel(const std::string& at, command_request what,
                  std::shared_ptr<stream_sink> sink, const ssh_options& options,
                  tally& counts, std::function<void()> on_end);

  void refused(const std::string& reason) override;

protected:
  void opened() override;
  void run(channel_work& w) override;

private:
  bool start(channel_work& w);

  command_request request_;
  bool started_ = false;
};

} // namespace muster::ssh
