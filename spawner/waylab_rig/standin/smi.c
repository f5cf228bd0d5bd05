/* A stand-in for nvidia-smi: the overview, -L, and --query-gpu as CSV. */
#include "devices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct device devices[MOST_DEVICES];
static int count;

static unsigned long long mib(unsigned long long bytes) { return bytes >> 20; }

static int list(void)
{
    int gpu = -1, slice = 0;
    for (int i = 0; i < count; i++) {
        const struct device *device = &devices[i];
        if (device->parent[0]) {
            printf("  MIG %s     Device  %d: (UUID: %s)\n", device->profile, slice++,
                   device->uuid);
            continue;
        }
        slice = 0;
        printf("GPU %d: %s (UUID: %s)\n", ++gpu, device->name, device->uuid);
    }
    return 0;
}

static void value(const struct device *device, int index, const char *field, int units)
{
    struct load load = device_load(device);
    if (strcmp(field, "index") == 0)
        printf("%d", index);
    else if (strcmp(field, "name") == 0 || strcmp(field, "gpu_name") == 0)
        printf("%s", device->name);
    else if (strcmp(field, "uuid") == 0 || strcmp(field, "gpu_uuid") == 0)
        printf("%s", device->uuid);
    else if (strcmp(field, "count") == 0)
        printf("%d", count);
    else if (strcmp(field, "driver_version") == 0)
        printf("0.0 (simulated)");
    else if (strcmp(field, "memory.total") == 0)
        printf("%llu%s", mib(device->memory_bytes), units ? " MiB" : "");
    else if (strcmp(field, "memory.used") == 0)
        printf("%llu%s", mib(load.memory_used_bytes), units ? " MiB" : "");
    else if (strcmp(field, "memory.free") == 0)
        printf("%llu%s", mib(device->memory_bytes - load.memory_used_bytes),
               units ? " MiB" : "");
    else if (strcmp(field, "utilization.gpu") == 0)
        printf("%u%s", load.gpu_percent, units ? " %" : "");
    else if (strcmp(field, "temperature.gpu") == 0)
        printf("%u", load.temperature);
    else if (strcmp(field, "power.draw") == 0)
        printf("%.2f%s", load.power_milliwatts / 1000.0, units ? " W" : "");
    else if (strcmp(field, "mig.mode.current") == 0)
        printf("%s", device->mig ? "Enabled" : "Disabled");
    else
        printf("[N/A]");
}

static int query(const char *fields, const char *format)
{
    char copy[1024];
    if (!strstr(format, "noheader"))
        printf("%s\n", fields);
    for (int i = 0, index = 0; i < count; i++) {
        if (devices[i].parent[0])
            continue;
        snprintf(copy, sizeof copy, "%s", fields);
        char *rest = NULL, *field = strtok_r(copy, ", ", &rest);
        for (int first = 1; field; first = 0, field = strtok_r(NULL, ", ", &rest)) {
            if (!first)
                printf(", ");
            value(&devices[i], index, field, !strstr(format, "nounits"));
        }
        printf("\n");
        index++;
    }
    return 0;
}

static int overview(void)
{
    const char *line =
        "+-----+------------------------------------------+---------------------+------+\n";
    printf("%s| GPU | %-40s | %-19s | %-4s |\n%s", line,
           "Name (Waylab: simulated, no CUDA)", "Memory-Usage", "Util", line);
    for (int i = 0, index = 0; i < count; i++) {
        if (devices[i].parent[0])
            continue;
        struct load load = device_load(&devices[i]);
        char memory[64];
        snprintf(memory, sizeof memory, "%lluMiB / %lluMiB", mib(load.memory_used_bytes),
                 mib(devices[i].memory_bytes));
        printf("| %3d | %-40.40s | %19s | %3u%% |\n", index++, devices[i].name, memory,
               load.gpu_percent);
    }
    printf("%s", line);
    return 0;
}

int main(int argc, char **argv)
{
    const char *fields = NULL, *format = "";
    count = devices_read(devices);
    if (count < 0) {
        fprintf(stderr, "NVIDIA-SMI has failed because it couldn't communicate with the "
                        "NVIDIA driver (simulated).\n");
        return 9;
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-L") == 0 || strcmp(argv[i], "--list-gpus") == 0)
            return list();
        if (strncmp(argv[i], "--query-gpu=", 12) == 0)
            fields = argv[i] + 12;
        else if (strncmp(argv[i], "--format=", 9) == 0)
            format = argv[i] + 9;
        else {
            fprintf(stderr, "This nvidia-smi is simulated and knows -L and --query-gpu.\n");
            return 6;
        }
    }
    return fields ? query(fields, format) : overview();
}
