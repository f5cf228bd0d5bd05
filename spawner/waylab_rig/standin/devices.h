/* The simulated devices that this process may see, read from folders.
 *
 * Each device is a folder in $WAYLAB_RIG_GPUS (default: where the runtime hook mounts
 * them in a container), in the order of the folders' names. It holds two files:
 *   device  lines "key value": uuid, name, memory_bytes, minor, mig (0 or 1), parent,
 *           profile, slices, link_group
 *   load    "gpu_percent memory_used_bytes temperature_celsius power_milliwatts"
 */
#ifndef WAYLAB_DEVICES_H
#define WAYLAB_DEVICES_H

#define DEFAULT_FOLDER "/run/waylab-gpus"
#define MOST_DEVICES 128

struct device {
    char folder[1024];
    char uuid[96];
    char name[96];
    char parent[96];
    char profile[32];
    char link_group[64];
    unsigned long long memory_bytes;
    unsigned int minor;
    unsigned int mig;
    unsigned int slices;
};

struct load {
    unsigned int gpu_percent;
    unsigned long long memory_used_bytes;
    unsigned int temperature;
    unsigned int power_milliwatts;
};

/* Reads the devices anew; gives their number, or -1 if there is no folder. */
int devices_read(struct device devices[MOST_DEVICES]);

/* Reads what a device does now; an idle one's values where nothing is said. */
struct load device_load(const struct device *device);

#endif
