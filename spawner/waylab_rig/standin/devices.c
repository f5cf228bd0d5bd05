#include "devices.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set(struct device *device, const char *key, const char *value)
{
    struct { const char *key; char *text; size_t size; } texts[] = {
        {"uuid", device->uuid, sizeof device->uuid},
        {"name", device->name, sizeof device->name},
        {"parent", device->parent, sizeof device->parent},
        {"profile", device->profile, sizeof device->profile},
        {"link_group", device->link_group, sizeof device->link_group},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(key, texts[i].key) == 0)
            snprintf(texts[i].text, texts[i].size, "%s", value);
    if (strcmp(key, "memory_bytes") == 0)
        device->memory_bytes = strtoull(value, NULL, 10);
    if (strcmp(key, "minor") == 0)
        device->minor = (unsigned int)strtoul(value, NULL, 10);
    if (strcmp(key, "mig") == 0)
        device->mig = (unsigned int)strtoul(value, NULL, 10);
    if (strcmp(key, "slices") == 0)
        device->slices = (unsigned int)strtoul(value, NULL, 10);
}

static int read_device(struct device *device)
{
    char path[1100], line[256];
    snprintf(path, sizeof path, "%s/device", device->folder);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        char *value = strchr(line, ' ');
        if (value) {
            *value++ = 0;
            set(device, line, value);
        }
    }
    fclose(file);
    return device->uuid[0] != 0;
}

int devices_read(struct device devices[MOST_DEVICES])
{
    const char *folder = getenv("WAYLAB_RIG_GPUS");
    if (!folder || !*folder)
        folder = DEFAULT_FOLDER;
    struct dirent **entries;
    int found = scandir(folder, &entries, NULL, alphasort);
    if (found < 0)
        return -1;
    int count = 0;
    for (int i = 0; i < found; i++) {
        if (entries[i]->d_name[0] != '.' && count < MOST_DEVICES) {
            struct device *device = &devices[count];
            memset(device, 0, sizeof *device);
            snprintf(device->folder, sizeof device->folder, "%s/%s", folder,
                     entries[i]->d_name);
            count += read_device(device);
        }
        free(entries[i]);
    }
    free(entries);
    return count;
}

struct load device_load(const struct device *device)
{
    struct load load = {0, 0, 35, 25000};
    char path[1100];
    snprintf(path, sizeof path, "%s/load", device->folder);
    FILE *file = fopen(path, "re");
    if (!file)
        return load;
    unsigned int gpu, temperature, power;
    unsigned long long used;
    int read = fscanf(file, "%u %llu %u %u", &gpu, &used, &temperature, &power);
    fclose(file);
    if (read >= 1)
        load.gpu_percent = gpu > 100 ? 100 : gpu;
    if (read >= 2)
        load.memory_used_bytes = used > device->memory_bytes ? device->memory_bytes : used;
    if (read >= 3)
        load.temperature = temperature;
    if (read >= 4)
        load.power_milliwatts = power;
    return load;
}
