#pragma once

#include "tests/support/registry_process.hpp"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace muster::test {

/// An image as a publisher makes it.
struct plugin_image {
  std::string version = "1.0.0";
  std::string program; ///< the file's content
  std::string os = "linux";
  std::string arch; ///< empty: this machine's
  bool annotated = true;
  bool docker = false;              ///< types of Docker's second version
  std::string compression = "gzip"; ///< zstd, none
};

/// The blobs and the manifest of an image.
struct image_parts {
  std::string config;
  std::string layer;
  nlohmann::json manifest;
};

image_parts make_image(const plugin_image& what);

/// A registry that plugins are pushed to.
class plugin_registry : public registry_process {
public:
  using registry_process::registry_process;

  /// Pushes an index with one image for each entry; returns its digest.
  std::string push(const std::string& repository,
                   const std::vector<plugin_image>& images,
                   const std::vector<std::string>& tags) const;

  /// Pushes an image without an index; returns its digest.
  std::string push_image(const std::string& repository,
                         const plugin_image& image,
                         const std::string& tag) const;

private:
  void push_parts(const std::string& repository, const image_parts& what) const;
};

/// A configuration, plugins and Docker's file in a folder of their own; muster
/// on a command line.
class fleeting_place {
public:
  struct output {
    int status = -1;
    std::string out;
    std::string err;
  };

  fleeting_place();
  ~fleeting_place();
  fleeting_place(const fleeting_place&) = delete;
  fleeting_place& operator=(const fleeting_place&) = delete;

  /// A runner for each of these plugins.
  void configure(const std::vector<std::string>& plugins) const;

  /// Runs muster with these words, which may begin with variables; `input` is
  /// its stdin.
  output muster(const std::string& words, const std::string& input = {}) const;

  /// Everything below the plugins' folder, relative.
  std::vector<std::string> files() const;
  std::filesystem::path plugins() const {
    return path_ / "plugins";
  }
  const std::filesystem::path& path() const {
    return path_;
  }
  std::string text(const std::string& file) const;
  void write(const std::string& file, const std::string& text) const;

private:
  std::filesystem::path path_;
};

} // namespace muster::test
