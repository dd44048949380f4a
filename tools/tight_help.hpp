#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace muster {

/// Help without the empty lines that keep it from fitting a screen.
class tight_formatter final : public CLI::Formatter {
public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override {
    auto text = CLI::Formatter::make_help(app, std::move(name), mode);
    for (std::string_view heading :
         {"\n\nPositionals:", "\n\nOptions:", "\n\nSubcommands:"})
      for (auto at = text.find(heading); at != std::string::npos;
           at = text.find(heading)) // a group that is not shown leaves one, too
        text.erase(at, 1);
    while (text.ends_with("\n\n"))
      text.pop_back();
    return text;
  }
};

} // namespace muster
