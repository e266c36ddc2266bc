/* The files of zaned/api/schemas/, as they are, inside the program. */
#include <string.h>

#include "zaned/api/openapi.h"

#define SHAPES(area)                                                               \
    extern const char zn_shapes_##area[];                                          \
    __asm__(".pushsection .rodata\n"                                               \
            ".global zn_shapes_" #area "\n"                                        \
            "zn_shapes_" #area ":\n"                                               \
            ".incbin \"zaned/api/schemas/" #area ".json\"\n"                       \
            ".byte 0\n"                                                            \
            ".popsection\n");

SHAPES(account)
SHAPES(common)
SHAPES(logs)
SHAPES(people)
SHAPES(places)
SHAPES(registries)
SHAPES(security)
SHAPES(services)
SHAPES(system)

json_t *zn_schemas(void)
{
    static const char *const areas[] = { zn_shapes_account,  zn_shapes_common,     zn_shapes_logs,
                                         zn_shapes_people,   zn_shapes_places,     zn_shapes_registries,
                                         zn_shapes_security, zn_shapes_services,   zn_shapes_system };
    json_t *all = json_object(), *shape;
    const char *name;

    for (size_t i = 0; i < ZN_COUNT(areas); i++) {
        json_error_t je;
        zn_auto_json some = json_loads(areas[i], JSON_REJECT_DUPLICATES, &je);

        if (!some)
            zn_bug("shapes %zu:%d: %s", i, je.line, je.text);
        json_object_foreach (some, name, shape) {
            if (json_object_get(all, name))
                zn_bug("shape %s is there twice", name);
            json_object_set(all, name, shape);
        }
    }
    return all;
}
