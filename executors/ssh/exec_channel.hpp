#pragma once

#include "executors/ssh/channel.hpp"
#include "executors/ssh/tally.hpp"

#include <fstream>

namespace muster::ssh {

enum class command_start { begun, waiting, refused };

/// Asks the server to run a command on an open session channel.
command_start start_command(LIBSSH2_CHANNEL* raw, const std::string& command,
                            channel_work& w);

/// How the command of a channel that was closed ended: 128 + n after signal n.
int exit_code_of(LIBSSH2_CHANNEL* raw);

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
  void read_file();

  /// Reads one of the streams; false while there may be more.
  bool read(int stream, channel_work& w);
  void collect(int stream, std::string_view bytes);
  void tell(const result<exec_result, connection_errc>& what);

  std::string at_;
  exec_request request_;
  exec_callback done_; ///< null once it was called
  tally& counts_;
  time_point deadline_;
  bool started_ = false;
  bool input_ended_ = false;
  output_queue input_;
  std::ifstream file_; ///< open while more of the input is to come from it
  exec_result result_;
};

/// The number of a signal by SSH's name of it (`TERM`), 0 for a name unknown.
int signal_number(std::string_view name);

} // namespace muster::ssh
