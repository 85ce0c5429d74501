#include "agent/config/help.h"
namespace gpunode::config {
std::string help_text(std::string_view){return "";}
std::string usage_error_text(const Error& e, std::string_view){return "Incorrect Usage: "+e.message()+"\n";}
Result<std::string> completion_script(std::string_view,std::string_view){return std::string();}
std::string man_page(std::string_view,std::string_view){return "";}
}
