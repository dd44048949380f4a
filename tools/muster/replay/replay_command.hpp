#pragma once

#include <string>

namespace CLI {
class App;
}

namespace muster {

/// `muster replay`.
class replay_command {
public:
  /// Adds it; it sets `status` when it is called: 1 if something came out
  /// otherwise, 2 if nothing can be read or compared.
  void add_to(CLI::App& app, int& status, const std::string& config_path);

private:
  int run() const;
  int compare() const;

  std::string config_path_;
  std::string path_; ///< empty: where the configuration says
  std::string until_;
  std::string role_;
  std::string other_; ///< a recording to compare with; empty: none
  bool json_ = false;
};

} // namespace muster
