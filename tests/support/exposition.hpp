#pragma once

#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace muster::test {

/// What `/metrics` shows, read as strictly as Prometheus does and as `promtool
/// check metrics` wishes: each family once, with help and type before its
/// samples, no sample twice. Throws std::runtime_error with the line.
class exposition {
public:
  explicit exposition(const std::string& text) {
    std::istringstream in{text};
    std::string family;
    std::set<std::string> closed;
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("# HELP ") || line.starts_with("# TYPE ")) {
        auto words = line.substr(7);
        auto name = words.substr(0, words.find(' '));
        auto rest = words.substr(name.size() + 1);
        if (name != family) {
          if (!closed.insert(name).second)
            throw std::runtime_error("a family twice: " + line);
          family = name;
        }
        (line[2] == 'H' ? helps_ : types_)[name] = rest;
        check_name(name, line);
      } else if (!line.empty() && line[0] != '#') {
        add(line, family);
      }
    }
    if (!text.empty() && text.back() != '\n')
      throw std::runtime_error("the last line does not end");
  }

  /// The value of `name{label="value",...}` with its labels sorted by name.
  double at(const std::string& sample) const {
    auto found = samples_.find(sample);
    if (found == samples_.end())
      throw std::runtime_error("there is no " + sample);
    return found->second;
  }

  bool has(const std::string& sample) const {
    return samples_.contains(sample);
  }

  /// The sum over all samples of a name whose labels have all of `parts`.
  double sum(const std::string& name,
             const std::vector<std::string>& parts = {}) const {
    double out = 0;
    for (const auto& [sample, value] : samples_) {
      auto fits = sample == name || sample.starts_with(name + "{");
      for (const auto& part : parts)
        fits = fits && sample.find(part) != std::string::npos;
      out += fits ? value : 0;
    }
    return out;
  }

  const std::map<std::string, std::string>& types() const {
    return types_;
  }

  const std::map<std::string, double>& samples() const {
    return samples_;
  }

private:
  void check_name(const std::string& name, const std::string& line) const {
    auto type = types_.find(name);
    if (type == types_.end())
      return;
    auto is_total = name.ends_with("_total");
    if ((type->second == "counter") != is_total)
      throw std::runtime_error("_total is for counters, all of them: " + line);
    if (!helps_.contains(name) || helps_.at(name).empty())
      throw std::runtime_error("no help: " + line);
  }

  void add(const std::string& line, const std::string& family) {
    auto end = line.rfind(' ');
    auto sample = line.substr(0, end);
    auto name = sample.substr(0, sample.find('{'));
    auto belongs = name == family;
    if (types_[family] == "histogram")
      belongs = name == family + "_bucket" || name == family + "_sum"
                || name == family + "_count";
    if (end == std::string::npos || !belongs)
      throw std::runtime_error("a sample out of place: " + line);
    size_t read = 0;
    auto value = std::stod(line.substr(end + 1), &read);
    if (end + 1 + read != line.size()
        || !samples_.emplace(sample, value).second)
      throw std::runtime_error("a sample twice, or no number: " + line);
  }

  std::map<std::string, std::string> helps_;
  std::map<std::string, std::string> types_;
  std::map<std::string, double> samples_;
};

} // namespace muster::test
