#pragma once

#include "executors/transport.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace muster {

/// Passes on what a command prints behind `remote::stream_mark`: what comes
/// before is of the start-up files of the login shell.
class marked_sink : public stream_sink {
public:
  /// `end` ends the stream, where the mark does not come.
  marked_sink(std::shared_ptr<stream_sink> to, std::function<void()> end)
    : to_(std::move(to)),
      end_(std::move(end)) {
  }

  void opened() override;
  size_t wanted() override;
  void data(std::string_view bytes) override;
  void error_data(std::string_view bytes) override;
  void sent(size_t bytes) override;
  void exited(int code) override;
  void closed(const connection_failure& why) override;

private:
  void give_up();

  std::shared_ptr<stream_sink> to_; ///< null once it was told the end
  std::function<void()> end_;
  std::string held_; ///< what may be the beginning of the mark, at its end
  size_t passed_over_ = 0;
  bool begun_ = false;
};

/// Opens a command made by `remote::streamed_command`; `sink` gets what comes
/// behind the mark.
void open_marked_command(transport& wire, connection_id connection,
                         stream_id id, std::string command,
                         std::shared_ptr<stream_sink> sink);

} // namespace muster
