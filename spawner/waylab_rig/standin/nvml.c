/* A stand-in for libnvidia-ml.so.1: NVML's functions that Waylab, ClearML and users'
 * monitors call, told from folders (see devices.h). Layouts and numbers are NVML's, so
 * that nvidia-ml-py runs unchanged; what is not here is "function not found" to it. */
#include "devices.h"

#include <stdio.h>
#include <string.h>

#define API __attribute__((visibility("default")))

enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9,
};

typedef int nvmlReturn_t;
typedef struct device *nvmlDevice_t;
typedef struct { unsigned long long total, free, used; } nvmlMemory_t;
typedef struct {
    unsigned int version;
    unsigned long long total, reserved, free, used;
} nvmlMemory_v2_t;
typedef struct { unsigned int gpu, memory; } nvmlUtilization_t;
typedef struct { unsigned int version, sensor; int temperature; } nvmlTemperature_t;
typedef struct {
    char bus_id_legacy[16];
    unsigned int domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
} nvmlPciInfo_t;
typedef struct {
    unsigned int multiprocessors, copy_engines, decoders, encoders, jpegs, ofas;
    unsigned int gpu_instance_slices, compute_instance_slices;
    unsigned long long memory_mib;
} nvmlDeviceAttributes_t;

static struct device devices[MOST_DEVICES];
static int count;
static int users;

static int is_gpu(const struct device *device) { return device->parent[0] == 0; }

static nvmlReturn_t text(char *into, unsigned int size, const char *what)
{
    if (!into)
        return INVALID_ARGUMENT;
    if (strlen(what) + 1 > size)
        return INSUFFICIENT_SIZE;
    strcpy(into, what);
    return SUCCESS;
}

#define NEED(condition) do { if (!users) return UNINITIALIZED; \
                             if (!(condition)) return INVALID_ARGUMENT; } while (0)

API nvmlReturn_t nvmlInit_v2(void)
{
    if (users == 0) {
        count = devices_read(devices);
        if (count < 0)
            return DRIVER_NOT_LOADED;
    }
    users++;
    return SUCCESS;
}
API nvmlReturn_t nvmlInit(void) { return nvmlInit_v2(); }
API nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
    (void)flags;
    return nvmlInit_v2();
}
API nvmlReturn_t nvmlShutdown(void)
{
    NEED(1);
    users--;
    return SUCCESS;
}
API const char *nvmlErrorString(nvmlReturn_t result)
{
    switch (result) {
    case SUCCESS: return "Success";
    case UNINITIALIZED: return "Uninitialized";
    case INVALID_ARGUMENT: return "Invalid Argument";
    case NOT_SUPPORTED: return "Not Supported";
    case NOT_FOUND: return "Not Found";
    case INSUFFICIENT_SIZE: return "Insufficient Size";
    case DRIVER_NOT_LOADED: return "Driver Not Loaded";
    default: return "Unknown Error";
    }
}

/* The system */

API nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int size)
{
    NEED(version);
    return text(version, size, "0.0 (simulated)");
}
API nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int size)
{
    return text(version, size, "13.0 (simulated)");
}
API nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    NEED(version);
    *version = 13000;
    return SUCCESS;
}
API nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version)
{
    return nvmlSystemGetCudaDriverVersion_v2(version);
}

/* Handles */

API nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *number)
{
    NEED(number);
    *number = 0;
    for (int i = 0; i < count; i++)
        *number += (unsigned int)is_gpu(&devices[i]);
    return SUCCESS;
}
API nvmlReturn_t nvmlDeviceGetCount(unsigned int *n) { return nvmlDeviceGetCount_v2(n); }
API nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *handle)
{
    NEED(handle);
    for (int i = 0; i < count; i++)
        if (is_gpu(&devices[i]) && index-- == 0) {
            *handle = &devices[i];
            return SUCCESS;
        }
    return INVALID_ARGUMENT;
}
API nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned int index, nvmlDevice_t *handle)
{
    return nvmlDeviceGetHandleByIndex_v2(index, handle);
}
API nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *handle)
{
    NEED(uuid && handle);
    for (int i = 0; i < count; i++)
        if (strcmp(devices[i].uuid, uuid) == 0) {
            *handle = &devices[i];
            return SUCCESS;
        }
    return NOT_FOUND;
}
static void bus_id(const struct device *device, char id[32])
{
    snprintf(id, 32, "00000000:%02X:00.0", (device->minor + 1) & 0xff);
}
API nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *id, nvmlDevice_t *handle)
{
    NEED(id && handle);
    for (int i = 0; i < count; i++) {
        char own[32];
        bus_id(&devices[i], own);
        if (is_gpu(&devices[i]) && strcmp(own, id) == 0) {
            *handle = &devices[i];
            return SUCCESS;
        }
    }
    return NOT_FOUND;
}

/* What a device is */

API nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int size)
{
    NEED(device);
    return text(name, size, device->name);
}
API nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int size)
{
    NEED(device);
    return text(uuid, size, device->uuid);
}
API nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index)
{
    NEED(device && index);
    *index = 0;
    for (struct device *other = devices; other != device; other++)
        *index += (unsigned int)is_gpu(other);
    return SUCCESS;
}
API nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned int *minor)
{
    NEED(device && minor);
    *minor = device->minor;
    return SUCCESS;
}
API nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *info)
{
    NEED(device && info);
    memset(info, 0, sizeof *info);
    info->bus = (device->minor + 1) & 0xff;
    bus_id(device, info->bus_id);
    snprintf(info->bus_id_legacy, sizeof info->bus_id_legacy, "0000:%02X:00.0",
             info->bus);
    return SUCCESS;
}
API nvmlReturn_t nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, nvmlPciInfo_t *info)
{
    return nvmlDeviceGetPciInfo_v3(device, info);
}
API nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major,
                                                    int *minor)
{
    NEED(device && major && minor);
    *major = 8;
    *minor = 0;
    return SUCCESS;
}

/* What it does now */

API nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    NEED(device && memory);
    memory->total = device->memory_bytes;
    memory->used = device_load(device).memory_used_bytes;
    memory->free = memory->total - memory->used;
    return SUCCESS;
}
API nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    NEED(device && memory);
    memory->total = device->memory_bytes;
    memory->reserved = 0;
    memory->used = device_load(device).memory_used_bytes;
    memory->free = memory->total - memory->used;
    return SUCCESS;
}
API nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device,
                                               nvmlUtilization_t *rates)
{
    NEED(device && rates);
    if (!is_gpu(device) || device->mig)
        return NOT_SUPPORTED; /* As the driver: not under MIG. */
    struct load load = device_load(device);
    rates->gpu = load.gpu_percent;
    rates->memory = device->memory_bytes
        ? (unsigned int)(100 * load.memory_used_bytes / device->memory_bytes) : 0;
    return SUCCESS;
}
API nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned int sensor,
                                          unsigned int *degrees)
{
    (void)sensor;
    NEED(device && degrees);
    *degrees = device_load(device).temperature;
    return SUCCESS;
}
API nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_t *value)
{
    NEED(device && value);
    value->temperature = (int)device_load(device).temperature;
    return SUCCESS;
}
API nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *milliwatts)
{
    NEED(device && milliwatts);
    *milliwatts = device_load(device).power_milliwatts;
    return SUCCESS;
}
API nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device,
                                                 unsigned int *milliwatts)
{
    NEED(device && milliwatts);
    *milliwatts = 400000;
    return SUCCESS;
}
static nvmlReturn_t no_processes(nvmlDevice_t device, unsigned int *number)
{
    NEED(device && number);
    *number = 0;
    return SUCCESS;
}
API nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device,
                                                         unsigned int *number, void *into)
{
    (void)into;
    return no_processes(device, number);
}
API nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device,
                                                          unsigned int *number, void *into)
{
    (void)into;
    return no_processes(device, number);
}

/* NVLink: every GPU of a link group has one link to each other. */

static struct device *peer(const struct device *device, unsigned int link)
{
    for (int i = 0; device->link_group[0] && i < count; i++)
        if (&devices[i] != device && is_gpu(&devices[i])
            && strcmp(devices[i].link_group, device->link_group) == 0 && link-- == 0)
            return &devices[i];
    return NULL;
}
API nvmlReturn_t nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned int link,
                                          unsigned int *is_active)
{
    NEED(device && is_active);
    if (!device->link_group[0])
        return NOT_SUPPORTED;
    *is_active = peer(device, link) != NULL;
    return *is_active ? SUCCESS : INVALID_ARGUMENT;
}
API nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t device,
                                                     unsigned int link,
                                                     nvmlPciInfo_t *info)
{
    NEED(device && info);
    struct device *other = peer(device, link);
    return other ? nvmlDeviceGetPciInfo_v3(other, info) : INVALID_ARGUMENT;
}
API nvmlReturn_t nvmlDeviceGetP2PStatus(nvmlDevice_t one, nvmlDevice_t other,
                                        unsigned int kind, unsigned int *status)
{
    (void)kind;
    NEED(one && other && status);
    int linked = one->link_group[0] && strcmp(one->link_group, other->link_group) == 0;
    *status = linked ? 0 : 5;
    return SUCCESS;
}

/* MIG */

API nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current,
                                      unsigned int *pending)
{
    NEED(device && current && pending);
    if (!is_gpu(device))
        return NOT_SUPPORTED;
    *current = *pending = device->mig;
    return SUCCESS;
}
API nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device,
                                                unsigned int *number)
{
    NEED(device && number);
    *number = device->mig ? 7 : 0;
    return SUCCESS;
}
API nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device,
                                                     unsigned int index,
                                                     nvmlDevice_t *slice)
{
    NEED(device && slice);
    for (int i = 0; i < count; i++)
        if (strcmp(devices[i].parent, device->uuid) == 0 && index-- == 0) {
            *slice = &devices[i];
            return SUCCESS;
        }
    return NOT_FOUND;
}
API nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned int *is_slice)
{
    NEED(device && is_slice);
    *is_slice = (unsigned int)!is_gpu(device);
    return SUCCESS;
}
API nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t slice,
                                                              nvmlDevice_t *device)
{
    NEED(slice && device);
    return nvmlDeviceGetHandleByUUID(slice->parent, device);
}
API nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t device,
                                            nvmlDeviceAttributes_t *attributes)
{
    NEED(device && attributes);
    if (is_gpu(device))
        return NOT_SUPPORTED;
    memset(attributes, 0, sizeof *attributes);
    attributes->gpu_instance_slices = device->slices;
    attributes->compute_instance_slices = device->slices;
    attributes->multiprocessors = 14 * device->slices;
    attributes->memory_mib = device->memory_bytes >> 20;
    return SUCCESS;
}
