#pragma once

#include "executors/ssh/channel.hpp"
#include "executors/ssh/tally.hpp"

namespace muster::ssh {

/// A command on a session channel.
class exec_channel : public channel {
public:
  /// The request's time runs from `now` on, waiting for the channel included.
  exec_channel(const std::string& at, exec_request what, exec_callback done,
               tally& counts, time_point now);

  void refused(const std::string& reason) override;
  void lost(const connection_failure& why) override;
  time_point due() const override;
  void expire(time_point now) override;

protected:
  void opened() override;
  void run(channel_work& w) override;

private:
  bool start(channel_work& w);
  void write_input(channel_work& w);

  /// Reads one of the streams; false while there may be more.
  bool read(int stream, channel_work& w);
  void collect(int stream, std::string_view bytes);
  int exit_code();
  void tell(const result<exec_result, connection_errc>& what);

  std::string at_;
  exec_request request_;
  exec_callback done_; ///< null once it was called
  tally& counts_;
  time_point deadline_;
  bool started_ = false;
  bool input_ended_ = false;
  output_queue input_;
  exec_result result_;
};

/// The number of a signal by SSH's name of it (`TERM`), 0 for a name unknown.
int signal_number(std::string_view name);

} // namespace muster::ssh
