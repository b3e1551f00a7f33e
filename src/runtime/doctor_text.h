// Private to runtime/doctor: its sections, in their order. Empty where there is nothing to say.
#pragma once

#include <string>

#include "runtime/doctor.h"

namespace nxv::runtime {

std::string text_of_machine(const Findings& findings);
std::string text_of_loader(const Findings& findings);
std::string text_of_drivers(const Findings& findings);
std::string text_of_devices(const Findings& findings);
std::string text_of_device(const Findings& findings);
std::string text_of_trials(const Findings& findings);
std::string text_of_speeds(const Findings& findings);
std::string text_of_advice(const Findings& findings);

}  // namespace nxv::runtime
